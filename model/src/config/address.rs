//! Addresses as they are written in probes.yaml. Only their shape is checked; nothing is resolved.

use alloc::format;
use alloc::string::String;

use super::problem::cut;

/// The longest host name.
const HOST_BYTES_MAX: usize = 253;
/// The longest address.
const ADDRESS_BYTES_MAX: usize = 2048;

/// A web address: `http://` or `https://`, a host, an optional port, and whatever follows.
pub fn web(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| {
        format!("`{}` is not a web address: it begins with http:// or https://", cut(text))
    })?;
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(format!("a web address has at most {ADDRESS_BYTES_MAX} characters"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("`{}` is not a web address: it has a space in it", cut(text)));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    split(place).map_err(|fault| format!("`{}` is not a web address: {fault}", cut(text)))?;
    Ok(text.into())
}

/// `tcp://host:port` or a web address.
pub fn anchor(text: &str) -> Result<String, String> {
    let Some(place) = text.strip_prefix("tcp://") else {
        return web(text).map_err(|fault| {
            if text.starts_with("http") {
                fault
            } else {
                format!(
                    "`{}` is not an anchor: write tcp://host:port, or http:// or https:// and an address",
                    cut(text)
                )
            }
        });
    };
    match split(place) {
        Ok((_, Some(_))) => Ok(text.into()),
        Ok((_, None)) => Err(format!("`{}` has no port: write tcp://host:port", cut(text))),
        Err(fault) => Err(format!("`{}` is not an anchor: {fault}", cut(text))),
    }
}

/// `host` or `host:port`; an IPv6 address with a port stands in brackets.
pub fn host_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) =
        split(text).map_err(|fault| format!("`{}` is not host:port: {fault}", cut(text)))?;
    Ok((host.into(), port))
}

/// The host without brackets, and the port.
fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside.split_once(']').ok_or("the bracket `[` is not closed")?;
            let _: core::net::Ipv6Addr =
                host.parse().map_err(|_| format!("`{}` is not an IPv6 address", cut(host)))?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err("after `]` only a port may stand".into()),
            }
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address stands in brackets, as in [2001:db8::1]:443".into());
            }
            Some((host, port)) => (check_host(host)?, Some(port)),
            None => (check_host(text)?, None),
        },
    };
    let port = match port {
        None => None,
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(port),
            _ => return Err(format!("`{}` is not a port from 1 to 65535", cut(digits))),
        },
    };
    Ok((host, port))
}

fn check_host(host: &str) -> Result<&str, String> {
    // Names in other scripts are resolved by whoever connects.
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    if host.len() > HOST_BYTES_MAX || host.contains("..") || !host.chars().all(allowed) {
        return Err(format!("`{}` is not a host", cut(host)));
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_or_refused_by_their_shape() {
        for (text, is_web, is_anchor, is_host) in [
            ("https://shop.example/", true, true, false),
            ("http://127.0.0.1:8420/healthz?x=1#y", true, true, false),
            ("https://user:pass@host/", true, true, false),
            ("https://[2001:db8::1]:443/", true, true, false),
            ("https://", false, false, false),
            ("https:///path", false, false, false),
            ("https://a b/", false, false, false),
            ("https://host:0/", false, false, false),
            ("https://host:99999/", false, false, false),
            ("ftp://host/", false, false, false),
            ("tcp://192.0.2.1:443", false, true, false),
            ("tcp://192.0.2.1", false, false, false),
            ("tcp://:443", false, false, false),
            ("smtp.example:587", false, false, true),
            ("smtp.example", false, false, true),
            ("[::1]:25", false, false, true),
            ("::1", false, false, false),
            ("[::1", false, false, false),
            ("[::1]x", false, false, false),
            ("host:port", false, false, false),
            ("", false, false, false),
        ] {
            assert_eq!(web(text).is_ok(), is_web, "{text}");
            assert_eq!(anchor(text).is_ok(), is_anchor, "{text}");
            assert_eq!(host_port(text).is_ok(), is_host, "{text}");
        }
    }
}
