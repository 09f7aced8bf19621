"""Real receivers for the end-to-end tests: an SMTP server and a webhook server.

Usage: receivers.py HOST SMTP_PORT HOOK_PORT FOLDER
Every accepted mail and every webhook becomes one JSON line in FOLDER/mails.jsonl or
FOLDER/hooks.jsonl, with the time of its arrival. Prints "ready" once both listen.
"""
import email
import email.policy
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

HOST, SMTP_PORT, HOOK_PORT, FOLDER = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
LOCK = threading.Lock()


def write(name, row):
    row["at_ms"] = time.time_ns() // 1_000_000
    with LOCK, open(f"{FOLDER}/{name}.jsonl", "a") as out:
        out.write(json.dumps(row) + "\n")
        out.flush()


class Mails:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        headers = {name.lower(): str(value) for name, value in message.items()}
        write("mails", {"to": envelope.rcpt_tos, "headers": headers, "parts": parts})
        return "250 taken"


class Hooks(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        row = {"path": self.path, "headers": headers, "sha256": hashlib.sha256(body).hexdigest()}
        write("hooks", row | {"raw": body.decode(), "body": json.loads(body)})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


Controller(Mails(), hostname=HOST, port=SMTP_PORT).start()
hooks = ThreadingHTTPServer((HOST, HOOK_PORT), Hooks)
print("ready", flush=True)
hooks.serve_forever()
