//! Words with parameters: a probe's kind, a contact's notifier. What a word's parameters may be is
//! known to its own file alone.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// A word with parameters that nobody here understands: a kind or a notifier as JSON. The parameters
/// may hold a secret that was written out, so they are not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opaque {
    /// The kind's or notifier's word, such as `http`.
    pub word: String,
    /// Its parameters as they were written; secrets stand in them as `${…}`.
    pub parameters: serde_json::Value,
}

impl core::fmt::Debug for Opaque {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "{} {{…}}", self.word)
    }
}

/// A list of words with parameters: the agent's kinds, the collector's notifiers.
///
/// What a word's parameters may be is known to its own file alone; serde's error text says what is
/// wrong and the deserializer knows where.
pub trait Word: Sized {
    /// Every word there is; empty for [`Opaque`], which takes any.
    fn words() -> &'static [&'static str];

    /// Reads and checks the parameters of `word`.
    ///
    /// # Errors
    /// The deserializer's: an unknown word, an unknown or missing parameter, a wrong value.
    fn read<'de, D: serde::Deserializer<'de>>(word: &str, from: D) -> Result<Self, D::Error>;

    /// The JSON Schema of the parameters of `word`; none if there is no such word.
    fn schema(word: &str, generator: &mut schemars::SchemaGenerator) -> Option<schemars::Schema>;

    /// The word with its parameters as they travel: what [`Word::read`] reads back unchanged.
    fn opaque(&self) -> Opaque;
}

impl Word for Opaque {
    fn words() -> &'static [&'static str] {
        &[]
    }

    fn read<'de, D: serde::Deserializer<'de>>(word: &str, from: D) -> Result<Self, D::Error> {
        Ok(Self { word: word.into(), parameters: serde_json::Value::deserialize(from)? })
    }

    fn schema(_: &str, _: &mut schemars::SchemaGenerator) -> Option<schemars::Schema> {
        None
    }

    fn opaque(&self) -> Opaque {
        self.clone()
    }
}

/// Makes a list of words: the `pub mod` lines, a type that holds any one of them behind a trait
/// object, and its [`Word`]. Each module has a type `Params` (serde both ways, `JsonSchema`, and the
/// trait). Parameters that stand at their default should not be serialised, so that a program one
/// version older can still read them.
#[macro_export]
macro_rules! word_list {
    ($(#[$doc:meta])* $list:ident of $door:path: $($word:ident),+ $(,)?) => {
        $(pub mod $word;)+

        $(#[$doc])*
        #[derive(Clone)]
        pub struct $list {
            opaque: $crate::config::Opaque,
            door: std::sync::Arc<dyn $door>,
        }

        impl $list {
            /// Its word.
            pub fn word(&self) -> &str {
                &self.opaque.word
            }
        }

        impl std::fmt::Debug for $list {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.opaque, out)
            }
        }

        impl std::ops::Deref for $list {
            type Target = dyn $door;
            fn deref(&self) -> &Self::Target {
                &*self.door
            }
        }

        impl $crate::config::Word for $list {
            fn words() -> &'static [&'static str] {
                &[$(stringify!($word)),+]
            }

            fn read<'de, D: serde::Deserializer<'de>>(
                word: &str,
                from: D,
            ) -> Result<Self, D::Error> {
                match word {
                    $(stringify!($word) => {
                        let door = <$word::Params as serde::Deserialize>::deserialize(from)?;
                        let parameters =
                            serde_json::to_value(&door).map_err(serde::de::Error::custom)?;
                        let opaque = $crate::config::Opaque { word: word.to_owned(), parameters };
                        Ok(Self { opaque, door: std::sync::Arc::new(door) })
                    })+
                    _ => Err(serde::de::Error::unknown_variant(word, Self::words())),
                }
            }

            fn schema(
                word: &str,
                generator: &mut schemars::SchemaGenerator,
            ) -> Option<schemars::Schema> {
                match word {
                    $(stringify!($word) => Some(generator.subschema_for::<$word::Params>()),)+
                    _ => None,
                }
            }

            fn opaque(&self) -> $crate::config::Opaque {
                self.opaque.clone()
            }
        }
    };
}
