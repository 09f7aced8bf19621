//! The real programs together: agents in network namespaces of their own, a collector, nginx as the
//! target, an SMTP server and a webhook receiver. Needs root, iproute2, nginx, curl and
//! python3-aiosmtpd; `tests/run` installs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::too_many_lines
)]

mod crash;
mod lab;
mod outage;
mod refusals;
mod regions;
mod stolen;
