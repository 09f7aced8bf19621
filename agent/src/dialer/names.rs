//! Names to addresses, asked anew each time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::config::{LookupIpStrategy, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, Resolver, system_conf};
use model::result::{Reason, VoidReason};

use crate::probe::Fault;
use crate::probe::fields::Family;

/// How often a question is asked again that got no answer.
const RETRIES: usize = 1;
/// The longest wait for one answer of a name server.
const ANSWER_WITHIN_MAX: Duration = Duration::from_secs(5);
/// The shortest wait for one answer, however short the attempt.
const ANSWER_WITHIN_MIN: Duration = Duration::from_millis(100);

/// The addresses of `host`, in the order in which they are tried.
pub(super) async fn lookup(
    host: &str,
    family: Family,
    timeout: Duration,
) -> Result<Vec<IpAddr>, Fault> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match fits(address, family) {
            true => Ok(vec![address]),
            false => Err(no_address(host, family)),
        };
    }
    let found = static_addresses(host);
    if !found.is_empty() {
        return keep(host, family, found);
    }
    // A missing or empty /etc/resolv.conf is this machine's fault, not the target's.
    let (config, options) = system_conf::read_system_conf().map_err(|error| {
        let says = format!("this agent has no name servers to ask for {host} (/etc/resolv.conf)");
        Fault::void(VoidReason::Unsupported, says).with_error(&error)
    })?;
    ask(host, family, timeout, config, options).await
}

fn fits(address: IpAddr, family: Family) -> bool {
    match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    }
}

fn keep(host: &str, family: Family, mut found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Fault> {
    found.retain(|address| fits(*address, family));
    if found.is_empty() { Err(no_address(host, family)) } else { Ok(found) }
}

fn no_address(host: &str, family: Family) -> Fault {
    let sort = match family {
        Family::Any => "",
        Family::V4 => "IPv4 ",
        Family::V6 => "IPv6 ",
    };
    Fault::failed(Reason::Dns, format!("{host} has no {sort}address"))
}

/// What the hosts file says, and what `localhost` is without one (RFC 6761, 6.3).
fn static_addresses(host: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    if let (Ok(hosts), Ok(name)) = (Hosts::from_system(), Name::from_utf8(host)) {
        for sort in [RecordType::A, RecordType::AAAA] {
            let entry = hosts.lookup_static_host(&Query::query(name.clone(), sort));
            let records = entry.iter().flat_map(|lookup| lookup.answers());
            found.extend(records.filter_map(|record| record.data.ip_addr()));
        }
    }
    let bare = host.trim_end_matches('.');
    if found.is_empty() && (bare == "localhost" || bare.ends_with(".localhost")) {
        found.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    }
    found
}

/// Asks name servers, without any cache.
pub(super) async fn ask(
    host: &str,
    family: Family,
    timeout: Duration,
    config: ResolverConfig,
    mut options: ResolverOpts,
) -> Result<Vec<IpAddr>, Fault> {
    options.cache_size = 0;
    options.attempts = RETRIES;
    // Every retry must fit into the attempt, or a lost datagram could never be asked again.
    options.timeout = (timeout / 3).clamp(ANSWER_WITHIN_MIN, ANSWER_WITHIN_MAX);
    options.ip_strategy = match family {
        Family::Any => LookupIpStrategy::Ipv4AndIpv6,
        Family::V4 => LookupIpStrategy::Ipv4Only,
        Family::V6 => LookupIpStrategy::Ipv6Only,
    };
    let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|error| {
            let says = "this agent cannot set up name resolution".to_owned();
            Fault::void(VoidReason::Unsupported, says).with_error(&error)
        })?;
    match resolver.lookup_ip(host).await {
        Ok(answer) => keep(host, family, answer.iter().collect()),
        Err(error) => Err(fault(host, family, &error)),
    }
}

fn fault(host: &str, family: Family, error: &NetError) -> Fault {
    let fault = if error.is_nx_domain() {
        Fault::failed(Reason::Dns, format!("the name {host} does not exist"))
    } else if let NetError::Dns(DnsError::ResponseCode(code)) = error {
        let says = match *code {
            ResponseCode::ServFail => "failed to resolve it".to_owned(),
            ResponseCode::Refused => "refused to resolve it".to_owned(),
            code => format!("answered {code}"),
        };
        Fault::failed(Reason::Dns, format!("{host}: the name server {says}"))
    } else if error.is_no_records_found() {
        no_address(host, family)
    } else {
        match error {
            NetError::Timeout | NetError::NoConnections | NetError::Io(_) => Fault::failed(
                Reason::Dns,
                format!("the name servers did not answer the question for {host}"),
            ),
            _ => Fault::failed(Reason::Dns, format!("the name {host} could not be resolved")),
        }
    };
    fault.with_error(error)
}
