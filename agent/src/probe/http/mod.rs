//! `http`: asks an HTTP server and judges its answer.

mod params;
mod rules;
mod status;
mod target;

pub use params::{BasicAuth, Method, Params, Version};

impl crate::probe::Probe for Params {
    fn run<'a>(&'a self, _: &'a crate::probe::Attempt) -> crate::probe::Running<'a> {
        Box::pin(std::future::pending())
    }

    fn uses(&self) -> Vec<crate::secret::Use> {
        Vec::new()
    }
}
