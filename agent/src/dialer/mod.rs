//! The one place where connections to targets begin: resolve once, vet, connect to a vetted address.
//!
//! [`resolve`] is the only way to get [`Vetted`] addresses, and [`connect`] takes nothing else, so
//! no connection can go around the rules of [`egress`].

pub mod egress;
mod names;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use model::result::Reason;
use tokio::net::{TcpSocket, TcpStream};

use crate::probe::Fault;
use crate::probe::fields::Family;

/// The most addresses of one name that are tried.
pub const ADDRESSES_MAX: usize = 16;
/// How long an address has for itself before the next one is tried beside it (RFC 8305, 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Addresses that the rules allow, in the order in which they are tried; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vetted(Vec<SocketAddr>);

impl Vetted {
    /// The addresses, for evidence.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }
}

/// Resolves `host` anew: an IP literal (without brackets), a name of the hosts file, `localhost`, or
/// a name that the system's name servers know. Nothing is cached.
///
/// # Errors
/// The name has no address of this family, its servers do not answer, or one of its addresses is
/// one that no probe may reach.
pub async fn resolve(
    host: &str,
    port: u16,
    family: Family,
    timeout: Duration,
) -> Result<Vetted, Fault> {
    let found = names::lookup(host, family, timeout).await?;
    vet(host, port, found)
}

fn vet(host: &str, port: u16, found: Vec<IpAddr>) -> Result<Vetted, Fault> {
    for address in &found {
        if let Some(why) = egress::denied(*address) {
            let says = match host.parse::<IpAddr>() {
                Ok(_) => format!("{host} is {why}: no probe may reach it"),
                Err(_) => format!("{host} resolves to {address}, {why}: no probe may reach it"),
            };
            return Err(Fault::failed(Reason::Connect, says));
        }
    }
    let mut addresses: Vec<_> =
        interleave(found).into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() {
        return Err(Fault::failed(Reason::Dns, format!("{host} has no address")));
    }
    Ok(Vetted(addresses))
}

/// The families in turn, beginning with that of the first address, so that a family without a
/// route costs one try and not all of them.
fn interleave(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = found.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut mixed = Vec::new();
    for address in first {
        mixed.push(address);
        mixed.extend(second.next());
    }
    mixed.extend(second);
    mixed
}

/// Connects to the first of the addresses that answers, each with a new socket and so a new source
/// port: the next one is tried when one fails, or beside it when it takes long.
///
/// # Errors
/// Every address failed; the sentence is about the first one, the chain names all.
pub async fn connect(to: &Vetted) -> Result<(TcpStream, SocketAddr), Fault> {
    let mut waiting = to.0.iter().copied().enumerate();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        if running.is_empty() {
            match waiting.next() {
                Some((nth, address)) => running.push(dial(nth, address)),
                None => return Err(refusal(failed)),
            }
        }
        let more = waiting.len() > 0;
        tokio::select! {
            biased;
            Some((nth, address, ended)) = running.next() => match ended {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => {
                    failed.push((nth, address, error));
                    running.extend(waiting.next().map(|(nth, address)| dial(nth, address)));
                }
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if more => {
                running.extend(waiting.next().map(|(nth, address)| dial(nth, address)));
            }
        }
    }
}

async fn dial(nth: usize, address: SocketAddr) -> (usize, SocketAddr, std::io::Result<TcpStream>) {
    (nth, address, dial_one(address).await)
}

async fn dial_one(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn refusal(mut failed: Vec<(usize, SocketAddr, std::io::Error)>) -> Fault {
    failed.sort_by_key(|(nth, ..)| *nth);
    let says = |address: &SocketAddr, error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("connection refused by {address}"),
        std::io::ErrorKind::ConnectionReset => format!("connection reset by {address}"),
        std::io::ErrorKind::NetworkUnreachable => format!("no route to the network of {address}"),
        std::io::ErrorKind::HostUnreachable => format!("no route to {address}"),
        std::io::ErrorKind::TimedOut => format!("no answer from {address}"),
        _ => format!("cannot connect to {address}: {error}"),
    };
    let mut detail = String::from("no address was tried");
    if let Some((_, address, error)) = failed.first() {
        detail = says(address, error);
    }
    if failed.len() > 1 {
        detail.push_str(&format!(", and {} more addresses failed", failed.len() - 1));
    }
    let mut fault = Fault::failed(Reason::Connect, detail);
    // Refusals by this machine are this machine's: they say nothing about the target.
    if failed.iter().all(|(_, to, error)| is_own_lack(to, error)) && !failed.is_empty() {
        fault.outcome = model::result::Outcome::Void(model::result::VoidReason::Overloaded);
    }
    fault.errors = failed.iter().map(|(_, address, error)| says(address, error)).collect();
    fault
}

/// This process or machine ran out of descriptors, ports or memory.
fn is_own_lack(to: &SocketAddr, error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match error.kind() {
        // Over IPv6 the same error says that this machine has no IPv6.
        Kind::AddrNotAvailable => to.is_ipv4(),
        Kind::AddrInUse | Kind::OutOfMemory => true,
        _ => matches!(error.raw_os_error(), Some(ENFILE | EMFILE)),
    }
}

#[cfg(test)]
mod tests;
