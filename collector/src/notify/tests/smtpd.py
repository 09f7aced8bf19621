"""A real mail server for the tests: aiosmtpd with a say on recipients.

usage: smtpd.py DIRECTORY plain|starttls|tls [CERTIFICATE KEY [USER PASSWORD]]

Prints its port, writes each mail with its envelope into DIRECTORY, ends when its standard input ends.
A recipient that begins with `refused` gets 550, one that begins with `grey` gets 451.
"""

import asyncio
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Mailbox:
    def __init__(self, directory, direct):
        # A session of a connection that began with TLS does not know it.
        self.direct = direct
        self.directory = pathlib.Path(directory)
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 no such user hunter2"
        if address.startswith("grey"):
            return "451 4.7.1 greylisted, come again hunter2"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        stem = self.directory / f"{self.count:03}"
        stem.with_suffix(".eml").write_bytes(envelope.content)
        facts = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or self.direct,
            "user": getattr(session.auth_data, "login", b"").decode(),
        }
        stem.with_suffix(".json").write_text(json.dumps(facts))
        return "250 Message accepted for delivery"


async def main():
    directory, mode, *rest = sys.argv[1:]
    context = None
    if mode != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(rest[0], rest[1])
    credentials = tuple(text.encode() for text in rest[2:4])

    def authenticate(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == credentials, auth_data=data)

    mailbox = Mailbox(directory, mode == "tls")

    def protocol():
        return SMTP(
            mailbox,
            hostname="mail.test",
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=authenticate if credentials else None,
            auth_required=bool(credentials),
            auth_require_tls=mode == "starttls",
        )

    loop = asyncio.get_running_loop()
    direct = context if mode == "tls" else None
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=direct)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
