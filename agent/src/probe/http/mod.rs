//! `http`: asks an HTTP server and judges its answer.

mod exchange;
mod judge;
mod params;
mod plan;
mod redirect;
mod rules;
mod run;
mod status;
mod target;
mod uses;

pub use params::{BasicAuth, EXAMPLE, Method, Params, Version};

use super::{Attempt, Probe, Running};
use crate::secret::Use;

impl Probe for Params {
    fn look<'a>(&'a self, attempt: &'a Attempt) -> Running<'a> {
        Box::pin(run::look(self, attempt))
    }

    fn uses(&self) -> Vec<Use> {
        uses::uses(self)
    }
}
