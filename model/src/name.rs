//! Checked names. A value of these types is always a name that can stand in a label, a file and a URL.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Says what is wrong with `text` as a name, if anything.
fn fault(text: &str) -> Option<String> {
    let first = text.bytes().next()?;
    if text.len() > NAME_BYTES_MAX {
        return Some(format!(
            "a name has at most {NAME_BYTES_MAX} characters, this has {}",
            text.len()
        ));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !first.is_ascii_alphanumeric() || !text.bytes().all(allowed) {
        return Some(format!(
            "`{}` is not a name: use letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
            text.escape_debug()
        ));
    }
    None
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        ///
        /// 1 to 64 ASCII letters, digits, `.`, `_`, `-`; begins with a letter or digit. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name; the error says what would be right.
            pub fn new(text: &str) -> Result<Self, String> {
                if text.is_empty() {
                    return Err("a name must not be empty".into());
                }
                match fault(text) {
                    None => Ok(Self(text.into())),
                    Some(fault) => Err(fault),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, out)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                Self::new(&text).map_err(de::Error::custom)
            }
        }
    )* };
}

names! {
    /// A configured question to a target.
    ProbeName,
    /// Where an agent runs: the voter.
    Region,
    /// One agent program.
    AgentName,
    /// What customers buy: one or more probes.
    ServiceName,
    /// Where a notice goes.
    ContactName,
    /// Who is told, when.
    PolicyName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_when_it_is_made() {
        for (text, good) in [
            ("shop", true),
            ("eu-central.1_b", true),
            ("0", true),
            ("", false),
            ("-x", false),
            ("a b", false),
            ("é", false),
            ("a/b", false),
        ] {
            assert_eq!(ProbeName::new(text).is_ok(), good, "{text}");
        }
        assert!(Region::new(&"x".repeat(64)).is_ok());
        assert!(Region::new(&"x".repeat(65)).is_err());
    }
}
