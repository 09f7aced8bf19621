//! Which addresses no probe may reach.
//!
//! A probe from the configuration may reach private networks: that is what it is for. It may not
//! reach the places where clouds hand credentials to whoever asks from inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds serve metadata and credentials over IPv4.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(100, 100, 100, 200),
];
/// The same over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

/// Why a probe may not reach `address`; none if it may.
pub fn denied(address: IpAddr) -> Option<&'static str> {
    const WHY: &str = "a cloud's metadata service";
    let denied = match address {
        IpAddr::V4(address) => METADATA_V4.contains(&address),
        IpAddr::V6(address) => {
            address == METADATA_V6
                || embedded(address).is_some_and(|inner| METADATA_V4.contains(&inner))
        }
    };
    denied.then_some(WHY)
}

/// The IPv4 address inside an IPv6 one: mapped (`::ffff:0:0/96`), compatible (`::/96`), NAT64
/// (`64:ff9b::/96` and, by its last 32 bits, `64:ff9b:1::/48`) and 6to4 (`2002::/16`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let last = Some(from_halves(high, low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0x0064, 0xff9b, 0, 0, 0, 0) => last,
        (0x0064, 0xff9b, 1, ..) => last,
        (0x2002, ..) => Some(from_halves(b, c)),
        _ => None,
    }
}

fn from_halves(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_denied_in_every_spelling_and_nothing_else_is() {
        for (address, refused) in [
            ("169.254.169.254", true),
            ("169.254.170.2", true),
            ("100.100.100.200", true),
            ("fd00:ec2::254", true),
            ("::ffff:169.254.169.254", true),
            ("::169.254.169.254", true),
            ("64:ff9b::a9fe:a9fe", true),
            ("64:ff9b:1::6464:64c8", true),
            ("2002:a9fe:aa02::1", true),
            ("169.254.169.253", false),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("::1", false),
            ("::ffff:10.0.0.1", false),
            ("fd00:ec2::253", false),
            ("64:ff9b::a00:1", false),
            ("2002:a00:1::1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(denied(address.parse().unwrap()).is_some(), refused, "{address}");
        }
    }
}
