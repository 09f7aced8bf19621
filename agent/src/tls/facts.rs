//! What is known of a TLS connection and of the certificates that the server showed.

use model::time::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, ProtocolVersion};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The most certificates of a chain that are looked at.
const CHAIN_MAX: usize = 16;
/// The most names of a certificate that are shown.
const NAMES_MAX: usize = 8;
const DAY_S: i64 = 86_400;

/// What is known of a TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The protocol's number without its dot, 12 or 13; none if the handshake did not end.
    pub protocol: Option<u16>,
    /// The cipher suite, as IANA writes it.
    pub cipher: Option<String>,
    /// The key exchange group.
    pub group: Option<String>,
    /// The protocol that was agreed on inside.
    pub alpn: Option<String>,
    /// The certificates as the server sent them, its own first; those that can be read.
    pub chain: Vec<Certificate>,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is valid for.
    pub names: Vec<String>,
    /// First second, since 1970.
    pub not_before_s: i64,
    /// Last second, since 1970.
    pub not_after_s: i64,
}

impl Certificate {
    fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect());
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names.unwrap_or_default(),
            not_before_s: certificate.validity().not_before.timestamp(),
            not_after_s: certificate.validity().not_after.timestamp(),
        })
    }

    /// The names for a sentence: the first few, and how many more.
    pub fn names_shown(&self) -> String {
        let shown: Vec<_> = self.names.iter().take(NAMES_MAX).map(String::as_str).collect();
        match self.names.len().saturating_sub(NAMES_MAX) {
            _ if shown.is_empty() => "no name".to_owned(),
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => Some(std::net::Ipv4Addr::from(v4).to_string()),
            Err(_) => {
                let v6 = <[u8; 16]>::try_from(*bytes).ok()?;
                Some(std::net::Ipv6Addr::from(v6).to_string())
            }
        },
        _ => None,
    }
}

/// A second since 1970 as RFC 3339.
pub(super) fn date(second: i64) -> String {
    Timestamp::from_ms(second.saturating_mul(1000)).to_string()
}

impl Facts {
    pub(super) fn of_chain(chain: &[CertificateDer<'_>]) -> Self {
        let chain = chain.iter().take(CHAIN_MAX).filter_map(Certificate::read).collect();
        Self { chain, ..Self::default() }
    }

    pub(super) fn add_connection(&mut self, connection: &ClientConnection) {
        self.protocol = connection.protocol_version().and_then(|version| match version {
            ProtocolVersion::TLSv1_2 => Some(12),
            ProtocolVersion::TLSv1_3 => Some(13),
            _ => None,
        });
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        self.cipher = suite.and_then(|suite| suite.as_str()).map(str::to_owned);
        let group = connection.negotiated_key_exchange_group();
        self.group = group.and_then(|group| group.name().as_str()).map(str::to_owned);
        let alpn = connection.alpn_protocol();
        self.alpn = alpn.map(|alpn| String::from_utf8_lossy(alpn).into_owned());
    }

    /// 12 or 13.
    pub fn version(&self) -> Option<i64> {
        self.protocol.map(i64::from)
    }

    /// When the first certificate of the chain ends, seconds since 1970.
    pub fn earliest_expiry_s(&self) -> Option<i64> {
        self.chain.iter().map(|certificate| certificate.not_after_s).min()
    }

    /// A sentence when a certificate ends within `days` of `now_s`.
    pub(super) fn ends_within(&self, days: u32, now_s: u64) -> Option<String> {
        let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
        let first = self.chain.iter().min_by_key(|certificate| certificate.not_after_s)?;
        let left_s = first.not_after_s.saturating_sub(now_s);
        (left_s < i64::from(days).saturating_mul(DAY_S)).then(|| {
            format!(
                "the certificate of {} ends on {}, in {} days: less than the {days} of fail_days",
                first.subject,
                date(first.not_after_s),
                left_s.div_euclid(DAY_S),
            )
        })
    }

    /// The connection and the server's certificate in one line.
    pub fn summary(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(leaf) = self.chain.first() {
            parts.push(format!("subject {}", leaf.subject));
            parts.push(format!("issuer {}", leaf.issuer));
            parts.push(format!("names {}", leaf.names_shown()));
            let (from, to) = (date(leaf.not_before_s), date(leaf.not_after_s));
            parts.push(format!("valid {from} to {to}"));
            parts.push(format!("chain of {}", self.chain.len()));
        }
        if let Some(protocol) = self.protocol {
            parts.push(format!("TLS {}.{}", protocol / 10, protocol % 10));
        }
        parts.extend(self.cipher.clone());
        parts.extend(self.group.clone());
        parts.extend(self.alpn.as_ref().map(|alpn| format!("ALPN {alpn}")));
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}
