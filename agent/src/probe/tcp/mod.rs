//! `tcp`: connects, and if told so sends text and waits for an answer.

mod params;

pub use params::{Params, Tls};

impl crate::probe::Probe for Params {
    fn run<'a>(&'a self, _: &'a crate::probe::Attempt) -> crate::probe::Running<'a> {
        Box::pin(std::future::pending())
    }

    fn uses(&self) -> Vec<crate::secret::Use> {
        Vec::new()
    }
}
