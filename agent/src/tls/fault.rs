//! What went wrong in a handshake, in plain words and under the right reason.

use std::error::Error;
use std::io;

use model::result::Reason;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::facts::{Facts, date};
use crate::probe::Fault;

/// The fault of a handshake that ended with an I/O error.
pub(super) fn from_io(error: &io::Error, facts: &Facts) -> Fault {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        return from_rustls(inner, facts);
    }
    let says = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed the connection in the TLS handshake",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the server reset the connection in the TLS handshake"
        }
        _ => "the connection broke in the TLS handshake",
    };
    Fault::failed(Reason::Tls, says).with_error(error)
}

/// The TLS error somewhere below `error`: an alert may come after the handshake, when the server
/// has looked at the client's certificate.
pub fn from_chain(error: &(dyn Error + 'static)) -> Option<Fault> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()),
            None => error.downcast_ref::<TlsError>(),
        };
        if let Some(inner) = inner {
            return Some(from_rustls(inner, &Facts::default()));
        }
        next = error.source();
    }
    None
}

/// The fault of a handshake that ended with a TLS error.
pub(super) fn from_rustls(error: &TlsError, facts: &Facts) -> Fault {
    let (reason, says) = match error {
        TlsError::InvalidCertificate(error) => (Reason::Certificate, certificate(error, facts)),
        TlsError::NoCertificatesPresented => {
            (Reason::Certificate, "the server shows no certificate".to_owned())
        }
        TlsError::AlertReceived(alert) => (Reason::Tls, refused(*alert)),
        TlsError::InvalidMessage(_) => (
            Reason::Tls,
            "the server does not answer with TLS: is this a port for plain text?".to_owned(),
        ),
        TlsError::PeerIncompatible(_) => {
            (Reason::Tls, format!("the server and the probe have no TLS in common: {error}"))
        }
        TlsError::NoApplicationProtocol => {
            (Reason::Tls, "the server speaks none of the offered protocols (ALPN)".to_owned())
        }
        _ => (Reason::Tls, format!("the TLS handshake failed: {error}")),
    };
    Fault::failed(reason, says).with_error(error)
}

fn refused(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => "the server wants a client certificate".to_owned(),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => {
            format!("the server refused the client certificate: {}", name(alert))
        }
        Alert::UnrecognisedName => "the server does not know this name (SNI)".to_owned(),
        Alert::NoApplicationProtocol => {
            "the server speaks none of the offered protocols (ALPN)".to_owned()
        }
        _ => format!("the server refused the TLS handshake: {}", name(alert)),
    }
}

fn name(alert: AlertDescription) -> String {
    alert.as_str().map_or_else(|| format!("alert {}", u8::from(alert)), str::to_owned)
}

fn certificate(error: &CertificateError, facts: &Facts) -> String {
    let leaf = facts.chain.first();
    let whose = |time: i64| {
        // The one that ended need not be the server's own.
        facts.chain.iter().find(|one| one.not_after_s == time || one.not_before_s == time)
    };
    let which = |time: i64| match (leaf, whose(time)) {
        (Some(leaf), Some(found)) if leaf != found => {
            format!("the certificate of {}", found.subject)
        }
        _ => "the certificate".to_owned(),
    };
    let seconds =
        |time: &rustls::pki_types::UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            let ended = seconds(not_after);
            format!("{} expired on {}", which(ended), date(ended))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            let begins = seconds(not_before);
            format!("{} is not valid before {}", which(begins), date(begins))
        }
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::NotValidYet => "the certificate is not valid yet".to_owned(),
        CertificateError::NotValidForNameContext { expected, .. } => {
            let names = leaf.map_or_else(|| "other names".to_owned(), |leaf| leaf.names_shown());
            format!("the certificate is not valid for {}, but for {names}", expected.to_str())
        }
        CertificateError::NotValidForName => {
            "the certificate is not valid for this name".to_owned()
        }
        CertificateError::UnknownIssuer => match leaf {
            Some(leaf) if leaf.subject == leaf.issuer => {
                format!("the certificate of {} is self-signed and not trusted", leaf.subject)
            }
            Some(_) => {
                // The last of the chain names the authority that is missing.
                let issuer = facts.chain.last().map_or("", |last| last.issuer.as_str());
                format!(
                    "the certificate is from an unknown issuer: {issuer} is not trusted, \
                         or the server does not send the certificates between"
                )
            }
            None => "the certificate is from an unknown issuer".to_owned(),
        },
        CertificateError::Revoked => "the certificate is revoked".to_owned(),
        CertificateError::BadSignature => match leaf {
            Some(leaf) => {
                format!("the certificate is not signed with the key of the trusted {}", leaf.issuer)
            }
            None => "the certificate's signature is wrong".to_owned(),
        },
        CertificateError::BadEncoding => "the certificate cannot be read".to_owned(),
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            "the certificate is not meant for servers".to_owned()
        }
        other => match leaf {
            // An authority's own certificate in a server's place is how most self-signed ones look.
            Some(leaf) if leaf.subject == leaf.issuer => {
                format!("the certificate of {} is self-signed and not trusted", leaf.subject)
            }
            _ => format!("the certificate is not valid: {other}"),
        },
    }
}
