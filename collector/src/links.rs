//! Signed links in notices: one incident, one contact, one day; opening one changes nothing.
//!
//! A token is base64url of: version (1 byte), incident (8), expiry in seconds (8), contact, MAC (16).
//! It says what it is for and proves that this collector said so; nothing is stored.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::incident::IncidentId;
use model::name::{ContactName, NAME_BYTES_MAX};
use model::time::{Millis, Timestamp};
use sha2::Sha256;

/// How long a link works.
pub const LINK_LIFE: Millis = Millis::from_secs(24 * 3600);

const VERSION: u8 = 1;
/// HMAC-SHA-256 cut to 128 bits.
const MAC_BYTES: usize = 16;
const FIXED_BYTES: usize = 1 + 8 + 8 + MAC_BYTES;
const TOKEN_CHARS_MAX: usize = (FIXED_BYTES + NAME_BYTES_MAX).div_ceil(3) * 4;

/// Makes and checks links.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
    base: String,
}

/// The key stays out of every log.
impl fmt::Debug for Links {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Links").field("base", &self.base).finish_non_exhaustive()
    }
}

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which incident.
    pub incident: IncidentId,
    /// Who may press the button.
    pub contact: ContactName,
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// It was not made by this collector, or was changed.
    #[error("the link is not one of this collector's")]
    Forged,
    /// It was good once.
    #[error("the link is older than 24 hours")]
    Expired,
}

impl Links {
    /// `key` signs; `base` is the collector's address as readers reach it, without a slash at its end.
    pub fn new(key: [u8; 32], base: String) -> Self {
        Self { key, base }
    }

    /// The collector's address as readers reach it.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A link for one contact to see and acknowledge one incident, good for [`LINK_LIFE`].
    pub fn acknowledge_url(
        &self,
        incident: IncidentId,
        contact: &ContactName,
        now: Timestamp,
    ) -> String {
        let expiry = (now + LINK_LIFE).ms() / 1000;
        let mut bytes = Vec::with_capacity(FIXED_BYTES + contact.as_str().len());
        bytes.push(VERSION);
        bytes.extend(incident.0.to_be_bytes());
        bytes.extend(expiry.to_be_bytes());
        bytes.extend(contact.as_str().as_bytes());
        if let Some(mac) = self.mac(&bytes) {
            bytes.extend(mac.finalize().into_bytes().iter().take(MAC_BYTES));
        }
        format!("{}/n/{}", self.base, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Checks a token; the comparison takes the same time wherever the difference is.
    ///
    /// # Errors
    /// [`Bad`]: forged or expired.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Link, Bad> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(Bad::Forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Bad::Forged)?;
        let (signed, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(Bad::Forged)?;
        let expected = self.mac(signed).ok_or(Bad::Forged)?;
        expected.verify_truncated_left(mac).map_err(|_| Bad::Forged)?;
        let (version, rest) = signed.split_first().ok_or(Bad::Forged)?;
        let (incident, rest) = rest.split_first_chunk().ok_or(Bad::Forged)?;
        let (expiry, contact) = rest.split_first_chunk().ok_or(Bad::Forged)?;
        let contact = std::str::from_utf8(contact).map_err(|_| Bad::Forged)?;
        let contact = ContactName::new(contact).map_err(|_| Bad::Forged)?;
        if *version != VERSION {
            return Err(Bad::Forged);
        }
        if now.ms() / 1000 >= i64::from_be_bytes(*expiry) {
            return Err(Bad::Expired);
        }
        Ok(Link { incident: IncidentId(u64::from_be_bytes(*incident)), contact })
    }

    /// A MAC over the message, in its own domain: the key may sign other things too.
    fn mac(&self, message: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(b"watchpost acknowledge link\0");
        mac.update(message);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_764_000_000_000);

    fn links(key: u8) -> Links {
        Links::new([key; 32], "https://watch.example".into())
    }

    fn token() -> String {
        let contact = ContactName::new("ops-mail").unwrap();
        let url = links(1).acknowledge_url(IncidentId(482), &contact, NOW);
        url.strip_prefix("https://watch.example/n/").unwrap().to_owned()
    }

    #[test]
    fn a_link_says_what_it_is_for_until_a_day_has_passed() {
        let want =
            Link { incident: IncidentId(482), contact: ContactName::new("ops-mail").unwrap() };
        for (later_s, answer) in [
            (0, Ok(want.clone())),
            (24 * 3600 - 1, Ok(want)),
            (24 * 3600, Err(Bad::Expired)),
            (10 * 24 * 3600, Err(Bad::Expired)),
        ] {
            let got = links(1).read(&token(), NOW + Millis::from_secs(later_s));
            assert_eq!(got, answer, "after {later_s} s");
        }
    }

    #[test]
    fn what_another_made_or_changed_is_forged() {
        let good = token();
        let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        assert_eq!(links(2).read(&good, NOW), Err(Bad::Forged), "another collector's key");
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(links(1).read(&changed, NOW), Err(Bad::Forged), "byte {place}");
        }
        for end in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..end]);
            assert_eq!(links(1).read(&cut, NOW), Err(Bad::Forged), "cut at {end}");
        }
        for text in
            ["", "a", "!", "é", &format!("{good}="), &format!("{good}AAAA"), &"A".repeat(5000)]
        {
            assert_eq!(links(1).read(text, NOW), Err(Bad::Forged), "{text}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", links(7)), "Links { base: \"https://watch.example\", .. }");
    }
}
