//! TLS as a client, with the facts about the connection known even when it fails.

mod params;

pub use params::{Params, Roots};
