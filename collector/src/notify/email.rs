//! Sends the notice as mail, text and HTML with the same words, over the configured server.

use askama::Template;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use model::config::{Severity, Smtp, SmtpSecurity};
use model::incident::{Event, Incident, Notice};
use model::secret::fill;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text::{self, Address};
use super::words::{Answer, Words};
use super::{Dispatch, Fault, Notify, Sending};

/// How long one command to the mail server may take; the whole attempt has its own limit.
const COMMAND_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// The parameters of a mail contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Who gets it, 1 to 20 addresses.
    #[serde(deserialize_with = "text::recipients")]
    #[schemars(length(min = 1, max = 20))]
    pub to: Vec<Address>,
    /// In which IANA zone times are written, beside UTC; default UTC alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text::zone")]
    pub time_zone: Option<String>,
}

impl Notify for Params {
    /// That somebody has it is no reason for a mail; programs that mirror the incident are told.
    fn wants(&self, event: Event) -> bool {
        event != Event::Acknowledged
    }

    fn send<'a>(&'a self, dispatch: &'a Dispatch<'a>) -> Sending<'a> {
        Box::pin(self.deliver(dispatch))
    }
}

impl Params {
    /// One transaction per recipient: a refused one must not keep the mail from the others, and one
    /// that has it already must not get it again because of another's trouble.
    async fn deliver(&self, dispatch: &Dispatch<'_>) -> Result<(), Fault> {
        let smtp = dispatch.smtp.ok_or_else(|| {
            Fault::never("mail cannot leave: probes.yaml has no `smtp` with a server and a sender")
        })?;
        let to = self
            .to
            .iter()
            .map(|address| address.mailbox(dispatch.resolve))
            .collect::<Result<Vec<Mailbox>, Fault>>()?;
        let from: Mailbox = fill(&smtp.from, |name| (dispatch.resolve)(name))
            .map_err(Fault::later)?
            .parse()
            .map_err(|_| Fault::never("`from` of smtp is not a mail address"))?;
        let message = self.message(dispatch, &from, &to)?;
        let bytes = message.formatted();
        let transport = transport(smtp, dispatch).await?;
        let (mut delivered, mut later, mut never) = (false, None, None);
        for mailbox in &to {
            let recipient: &str = mailbox.email.as_ref();
            if dispatch.done.has(recipient) {
                delivered = true;
                continue;
            }
            let envelope = Envelope::new(Some(from.email.clone()), vec![mailbox.email.clone()])
                .map_err(|_| Fault::never("the envelope cannot be made"))?;
            match transport.send_raw(&envelope, &bytes).await {
                Ok(_) => {
                    dispatch.done.add(recipient);
                    delivered = true;
                }
                Err(error) => match judge(&error) {
                    fault @ Fault::Later { .. } => later = Some(fault),
                    fault @ Fault::Never { .. } => {
                        let key = dispatch.notice.key.0.as_str();
                        tracing::warn!(key, %fault, "a recipient of a notice was refused");
                        never = Some(fault);
                    }
                },
            }
        }
        match (later, never) {
            (Some(fault), _) => Err(fault),
            (None, Some(fault)) if !delivered => Err(fault),
            _ => Ok(()),
        }
    }

    fn message(
        &self,
        dispatch: &Dispatch<'_>,
        from: &Mailbox,
        to: &[Mailbox],
    ) -> Result<Message, Fault> {
        let notice = dispatch.notice;
        let zone = self.time_zone.as_deref();
        let (text, html) = parts(notice, zone, dispatch.acknowledge)
            .map_err(|_| Fault::never("the mail cannot be made"))?;
        let domain = from.email.domain();
        let thread = thread_id(&notice.incident, domain);
        let seconds = u64::try_from(dispatch.now.ms() / 1000).unwrap_or(0);
        let mut builder = Message::builder()
            .from(from.clone())
            .subject(Words::of(notice, zone).subject)
            .date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
            .message_id(Some(message_id(notice, domain)))
            .in_reply_to(thread.clone())
            .references(thread)
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Auto-Response-Suppress", "All"));
        if notice.incident.severity == Severity::Critical && notice.event != Event::Resolved {
            builder = builder.raw_header(raw("X-Priority", "1"));
        }
        for mailbox in to {
            builder = builder.to(mailbox.clone());
        }
        builder
            .multipart(
                MultiPart::alternative()
                    .singlepart(
                        SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text),
                    )
                    .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html)),
            )
            .map_err(|_| Fault::never("the mail cannot be made"))
    }
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

async fn transport(
    smtp: &Smtp,
    dispatch: &Dispatch<'_>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Fault> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.as_str())
        .port(smtp.port)
        .timeout(Some(COMMAND_TIMEOUT))
        .tls(match smtp.security {
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::Starttls => Tls::Required(tls(smtp).await?),
            SmtpSecurity::Tls => Tls::Wrapper(tls(smtp).await?),
        });
    if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
        let filled = |text: &str| fill(text, |name| (dispatch.resolve)(name)).map_err(Fault::later);
        builder = builder.credentials(Credentials::new(filled(username)?, filled(password)?));
    }
    Ok(builder.build())
}

async fn tls(smtp: &Smtp) -> Result<TlsParameters, Fault> {
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(path) = &smtp.ca_file {
        let unread = |why: &dyn std::fmt::Display| {
            Fault::later(format!("`ca_file` of smtp, {path}, cannot be used: {why}"))
        };
        let pem = tokio::fs::read(path).await.map_err(|error| unread(&error))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| unread(&error))?;
        builder =
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|_| Fault::later("TLS to the mail server cannot be set up"))
}

/// What an error of the mail server means. A reply's text may quote what was sent, so only its code
/// is kept.
fn judge(error: &SmtpError) -> Fault {
    if let Some(code) = error.status() {
        let why = format!("the mail server answered {code}");
        return if error.is_permanent() { Fault::never(why) } else { Fault::later(why) };
    }
    if error.is_timeout() {
        Fault::later("the mail server did not answer in time")
    } else if error.is_tls() {
        Fault::later("TLS with the mail server failed: check its certificate and `ca_file`")
    } else if error.is_response() {
        Fault::later("the mail server's answer is not SMTP")
    } else if error.is_client() {
        Fault::never("the mail server does not offer what is needed: STARTTLS or a way to log in")
    } else {
        Fault::later("no connection to the mail server, or it broke")
    }
}

/// The same for every attempt, so that a mail that arrives twice is recognised.
fn message_id(notice: &Notice, domain: &str) -> String {
    format!("<{}@{domain}>", digest(&notice.key.0))
}

/// What all mails about one incident refer to.
fn thread_id(incident: &Incident, domain: &str) -> String {
    // When the story began to be told never changes; the start of the trouble may be found earlier.
    let begun = incident.timeline.first().map_or(incident.triggered, |entry| entry.at);
    let root = format!("{}/{}/{}", incident.id.0, begun.ms(), incident.key);
    format!("<incident.{}.{}@{domain}>", incident.id.0, digest(&root))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    words: &'a Words,
    acknowledge: Option<&'a str>,
    soft: &'a str,
    ink: &'a str,
    dark_soft: &'a str,
    dark_ink: &'a str,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Plain<'a> {
    words: &'a Words,
    acknowledge: Option<&'a str>,
    answers: Vec<String>,
}

/// Column of the answers in the text part.
const LABEL_COLUMNS: usize = 12;

/// The text and the HTML part of a mail. Who can no longer take the incident gets no button.
pub(super) fn parts(
    notice: &Notice,
    zone: Option<&str>,
    acknowledge: Option<&str>,
) -> Result<(String, String), askama::Error> {
    let acknowledge = acknowledge.filter(|_| notice.event != Event::Resolved);
    let words = &Words::of(notice, zone);
    let answers = words.answers.iter().map(in_columns).collect();
    let text = Plain { words, acknowledge, answers }.render()?;
    let ((soft, ink), (dark_soft, dark_ink)) = (words.tone.colours(), words.tone.dark());
    let html = Html { words, acknowledge, soft, ink, dark_soft, dark_ink }.render()?;
    Ok((text, html))
}

fn in_columns(answer: &Answer) -> String {
    let link = answer.link.as_deref().unwrap_or_default();
    let mut text =
        format!("{:LABEL_COLUMNS$}{}{}{link}", answer.label.to_uppercase(), answer.strong, answer.rest);
    for line in &answer.lines {
        text.push('\n');
        text.push_str(&" ".repeat(LABEL_COLUMNS));
        text.push_str(line);
    }
    text
}
