//! `tcp`: connects, and if told so sends text and waits for an answer.

mod params;
mod run;

pub use params::{EXAMPLE, Params, Tls};

use super::text::{STAND_IN, skeleton};
use super::{Attempt, Probe, Running, fields};
use crate::secret::{Destination, Use, references};

impl Probe for Params {
    fn look<'a>(&'a self, attempt: &'a Attempt) -> Running<'a> {
        Box::pin(run::look(self, attempt))
    }

    fn uses(&self) -> Vec<Use> {
        let written = self.address.written();
        let (mut host, port) = fields::Address::split(&skeleton(written))
            .unwrap_or_else(|_| (written.to_ascii_lowercase(), 0));
        let tls = self.tls.0.as_ref().is_some_and(|tls| tls.verify);
        let name = self.tls.0.as_ref().and_then(|tls| tls.server_name.as_ref());
        if let Some(name) = name.filter(|_| tls) {
            host = name.to_ascii_lowercase();
        }
        let destination =
            Destination { kind: "tcp".to_owned(), host: host.replace(STAND_IN, "${…}"), port, tls };
        let texts = [
            ("address", Some(written)),
            ("send", self.send.as_deref()),
            ("expect", self.expect.as_deref()),
        ];
        let uses = texts.into_iter().flat_map(|(field, text)| {
            references(text.unwrap_or_default()).into_iter().map(move |reference| (field, reference))
        });
        // A line that is sent is no field made for a secret: no one can tell what becomes of it.
        uses.map(|(field, reference)| Use {
            reference,
            field: field.to_owned(),
            made_for_secrets: false,
            destination: destination.clone(),
        })
        .collect()
    }
}
