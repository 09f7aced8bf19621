//! Signed links in notices: one incident, one contact, one day; opening one changes nothing.

/// Makes and checks links.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
    base: String,
}

impl Links {
    /// `key` signs; `base` is the collector's address as readers reach it, without a slash at its end.
    pub fn new(key: [u8; 32], base: String) -> Self {
        Self { key, base }
    }

    /// The collector's address as readers reach it.
    pub fn base(&self) -> &str {
        let _ = &self.key;
        &self.base
    }
}
