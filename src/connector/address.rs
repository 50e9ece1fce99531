//! The address policy (H2): which addresses may be dialled at all.
//!
//! Names are resolved here, and only addresses that passed are handed to the client, so that what was checked is what is
//! dialled, whatever the name resolves to a moment later. Addresses written into a URL bypass resolvers; [`AddressPolicy::check_host`]
//! checks those.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// What may be dialled. Link-local, multicast, unspecified and reserved addresses and those that clouds serve instance
/// metadata from are never dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the operator's")]
pub struct AddressPolicy {
    /// Addresses of the internet.
    pub public: bool,
    /// Loopback addresses.
    pub loopback: bool,
    /// Private, shared (RFC 6598), unique local and site-local addresses.
    pub private: bool,
    /// `http://` to hosts other than loopback ones.
    pub allow_insecure_http: bool,
}

impl Default for AddressPolicy {
    /// For development: all that may be allowed is, but plain HTTP only to loopback.
    fn default() -> Self {
        Self { public: true, loopback: true, private: true, allow_insecure_http: false }
    }
}

/// An address may not be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressForbidden(pub(super) &'static str);

/// A name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host name does not resolve")]
pub(super) struct NameUnknown;

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Public,
    Loopback,
    Private,
    Never(&'static str),
}

const LINK_LOCAL: Class = Class::Never("link-local addresses are never dialled");
const MULTICAST: Class = Class::Never("multicast and broadcast addresses are never dialled");
const UNSPECIFIED: Class = Class::Never("the unspecified address is never dialled");
const RESERVED: Class = Class::Never("reserved addresses are never dialled");
const METADATA: Class = Class::Never("addresses of cloud metadata services are never dialled");

impl AddressPolicy {
    /// May this address be dialled?
    pub fn check(&self, address: IpAddr) -> Result<(), AddressForbidden> {
        match classify(address) {
            Class::Public if self.public => Ok(()),
            Class::Loopback if self.loopback => Ok(()),
            Class::Private if self.private => Ok(()),
            Class::Public => Err(AddressForbidden("public addresses are not allowed here")),
            Class::Loopback => Err(AddressForbidden("loopback addresses are not allowed here")),
            Class::Private => Err(AddressForbidden("private addresses are not allowed here")),
            Class::Never(why) => Err(AddressForbidden(why)),
        }
    }

    /// Checks a host that is written as an address; names pass, they are checked when they are resolved.
    pub fn check_host(&self, url: &Url) -> Result<(), AddressForbidden> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => Err(AddressForbidden("the URL names no host")),
        }
    }
}

/// Does the URL name this machine: a loopback address, `localhost`, or a name below it (RFC 6761)?
pub(super) fn is_loopback_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => classify(address.into()) == Class::Loopback,
        Some(Host::Ipv6(address)) => classify(address.into()) == Class::Loopback,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        // Azure's wire server and Alibaba's metadata stand in ranges that are otherwise public or shared.
        [168, 63, 129, 16] | [100, 100, 100, 200] => METADATA,
        [0, ..] => UNSPECIFIED,
        [127, ..] => Class::Loopback,
        [169, 254, ..] => LINK_LOCAL,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => Class::Private,
        [224..=239, ..] | [255, 255, 255, 255] => MULTICAST,
        // The first are protocol assignments (RFC 6890); Oracle's metadata is 192.0.0.192.
        [192, 0, 0, _] | [240..=255, ..] => RESERVED,
        _ => Class::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    if address == Ipv6Addr::LOCALHOST {
        return Class::Loopback;
    }
    if address.is_unspecified() {
        return UNSPECIFIED;
    }
    if let Some(inner) = embedded_v4(address) {
        return classify_v4(inner);
    }
    match address.segments() {
        [0xfe80..=0xfebf, ..] => LINK_LOCAL,
        [0xff00..=0xffff, ..] => MULTICAST,
        // Amazon, Google and Oracle serve metadata from unique local prefixes.
        [0xfd00, 0x0ec2 | 0x00c1, ..] | [0xfd20, 0x00ce, ..] => METADATA,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Class::Private,
        // Teredo hides its IPv4 address behind an XOR; nobody serves SCIM there.
        [0x2001, 0, ..] => RESERVED,
        _ => Class::Public,
    }
}

/// The IPv4 address that a packet to this address may end at: mapped, compatible, NAT64 (both prefixes), 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] | [0x0064, 0xff9b, 0 | 1, _, _, _, high, low] => {
            Some(from(high, low))
        }
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// Resolves names by the system's resolver and hands on only the addresses that the policy allows.
#[derive(Clone, Copy)]
pub(super) struct CheckedResolver {
    pub policy: AddressPolicy,
    /// Only loopback addresses: what a plain `http://localhost` may resolve to.
    pub loopback_only: bool,
}

impl CheckedResolver {
    /// The addresses that may be dialled; the first reason against one if there are none.
    fn permitted(self, resolved: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let mut refusal = None;
        let mut permitted = Vec::new();
        for address in resolved {
            match self.check(address.ip()) {
                Ok(()) => permitted.push(address),
                Err(forbidden) => refusal = refusal.or(Some(forbidden)),
            }
        }
        match (permitted.is_empty(), refusal) {
            (false, _) => Ok(permitted),
            (true, Some(forbidden)) => Err(Box::new(forbidden)),
            (true, None) => Err(Box::new(NameUnknown)),
        }
    }

    fn check(self, address: IpAddr) -> Result<(), AddressForbidden> {
        if self.loopback_only && classify(address) != Class::Loopback {
            return Err(AddressForbidden("http:// is for loopback addresses only, and the name resolves to another"));
        }
        self.policy.check(address)
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let checked = *self;
        Box::pin(async move {
            let resolved = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NameUnknown)?;
            let permitted: Addrs = Box::new(checked.permitted(resolved)?.into_iter());
            Ok(permitted)
        })
    }
}

impl fmt::Debug for CheckedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedResolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(loopback: bool, private: bool, loopback_only: bool) -> CheckedResolver {
        CheckedResolver { policy: AddressPolicy { loopback, private, ..AddressPolicy::default() }, loopback_only }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn h2_a_name_with_good_and_bad_addresses_is_dialled_at_the_good_ones_only() {
        let mixed = addresses(&["169.254.169.254", "93.184.216.34", "::1", "10.0.0.1"]);
        assert_eq!(resolver(false, false, false).permitted(mixed.into_iter()).unwrap(), addresses(&["93.184.216.34"]));
    }

    #[test]
    fn h2_a_name_with_no_good_address_says_why() {
        let error = |found: &[&str], loopback_only| {
            resolver(true, false, loopback_only).permitted(addresses(found).into_iter()).unwrap_err().to_string()
        };
        assert_eq!(error(&["169.254.169.254"], false), "link-local addresses are never dialled");
        assert_eq!(error(&["192.168.1.1"], false), "private addresses are not allowed here");
        assert_eq!(error(&["93.184.216.34"], true), "http:// is for loopback addresses only, and the name resolves to another");
        assert_eq!(error(&[], false), "the host name does not resolve");
    }
}
