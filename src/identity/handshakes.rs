//! Which handshakes are under way, how many may begin from one address, and which gives way?
//!
//! When too many are under way, the oldest gives way: from the same address first, then of all. So whoever opens sockets and leaves
//! them displaces itself, and an honest client, which needs a few milliseconds, gets through, also from behind the same address. What
//! a handshake costs is bounded by how many may *begin*: beyond that rate a socket is closed before anything is computed for it. An
//! address is an IPv4 address, or the /64 of an IPv6 address, which is what one customer gets. Tested here and in `tests/it/identity.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::accept::ConnectionLimits;
use super::refused::Refused;
use crate::limits;
use crate::rate::{Bucket, Rate};

/// What counts as one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Address(IpAddr);

/// What is left of a rate for each address.
#[derive(Default)]
pub(super) struct LeftOfAddresses {
    known: HashMap<Address, Bucket>,
    /// The same for all addresses that found no place among these.
    others: Option<Bucket>,
}

impl LeftOfAddresses {
    /// Takes one, if there is any.
    pub(super) fn take(&mut self, rate: Rate, address: Address) -> bool {
        if !self.known.contains_key(&address) && self.known.len() >= limits::ADDRESSES_MAX {
            self.known.retain(|_, bucket| !bucket.is_full(rate));
        }
        let has_place = self.known.contains_key(&address) || self.known.len() < limits::ADDRESSES_MAX;
        let bucket = match has_place {
            true => self.known.entry(address).or_insert_with(|| Bucket::full(rate)),
            false => self.others.get_or_insert_with(|| Bucket::full(rate)),
        };
        bucket.take(rate, 1).is_ok()
    }
}

impl Address {
    pub(super) fn of(peer: SocketAddr) -> Self {
        match peer.ip().to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
        }
    }
}

/// All handshakes under way. Clones share.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Mutex<UnderWay>>);

struct UnderWay {
    next: u64,
    /// Oldest first, and how to make each give way.
    all: BTreeMap<u64, (Address, CancellationToken)>,
    of_address: HashMap<Address, BTreeSet<u64>>,
    /// How many may still begin.
    left: LeftOfAddresses,
}

/// A handshake's place among those under way; given back when dropped.
pub(super) struct Pending {
    all: Handshakes,
    /// Counted from 1, over the life of the process.
    pub(super) number: u64,
    /// Cancelled when it must give way.
    pub(super) displaced: CancellationToken,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.all.lock().end(self.number);
    }
}

impl Handshakes {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(UnderWay {
            next: 1,
            all: BTreeMap::new(),
            of_address: HashMap::new(),
            left: LeftOfAddresses::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one; another may have to give way.
    pub(super) fn begin(&self, limits: &ConnectionLimits, peer: SocketAddr) -> Result<Pending, Refused> {
        let address = Address::of(peer);
        let displaced = CancellationToken::new();
        let (number, gives_way) = {
            let mut under_way = self.lock();
            if !under_way.left.take(limits.handshake_rate_per_address, address) {
                return Err(Refused::TooFastFromAddress);
            }
            under_way.begin(limits, address, displaced.clone())
        };
        // Outside the lock: cancelling runs wakers.
        if let Some(gives_way) = gives_way {
            gives_way.cancel();
        }
        Ok(Pending { all: self.clone(), number, displaced })
    }
}

impl UnderWay {
    fn begin(
        &mut self,
        limits: &ConnectionLimits,
        address: Address,
        displaced: CancellationToken,
    ) -> (u64, Option<CancellationToken>) {
        let of_address = self.of_address.get(&address);
        let oldest = match of_address {
            Some(own) if own.len() >= limits.handshakes_per_address => own.first().copied(),
            Some(_) | None if self.all.len() >= limits.handshakes => self.all.keys().next().copied(),
            Some(_) | None => None,
        };
        let gives_way = oldest.and_then(|oldest| self.end(oldest));
        let number = self.next;
        self.next += 1;
        self.all.insert(number, (address, displaced));
        self.of_address.entry(address).or_default().insert(number);
        (number, gives_way)
    }

    fn end(&mut self, number: u64) -> Option<CancellationToken> {
        let (address, displaced) = self.all.remove(&number)?;
        if let Some(own) = self.of_address.get_mut(&address) {
            own.remove(&number);
            if own.is_empty() {
                self.of_address.remove(&address);
            }
        }
        Some(displaced)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn peer(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().expect("an address"), 40_000)
    }

    fn limits(of_address: usize, of_all: usize, per_second: u64) -> ConnectionLimits {
        let handshake_rate_per_address = Rate::new(per_second, 1);
        ConnectionLimits {
            handshakes: of_all,
            handshakes_per_address: of_address,
            handshake_rate_per_address,
            ..ConnectionLimits::default()
        }
    }

    #[test]
    fn an_ipv6_address_counts_as_its_network_and_a_mapped_one_as_ipv4() {
        let same = |one: &str, other: &str| Address::of(peer(one)) == Address::of(peer(other));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_floods_displaces_itself_first() {
        let (handshakes, limits) = (Handshakes::new(), limits(2, 4, 100));
        let begin = |ip: &str| handshakes.begin(&limits, peer(ip)).expect("may begin");
        let honest = begin("192.0.2.1");
        let flood: Vec<_> = (0..10).map(|_| begin("192.0.2.66")).collect();
        assert!(!honest.displaced.is_cancelled());
        let displaced = |pending: &Pending| pending.displaced.is_cancelled();
        assert_eq!(flood.iter().filter(|pending| displaced(pending)).count(), 8);
        assert!(flood[8..].iter().all(|pending| !displaced(pending)), "the oldest gave way");
        let _third = begin("192.0.2.2");
        let _fourth = begin("192.0.2.3");
        assert!(displaced(&honest), "all places are taken: the oldest of all gives way");
        drop((honest, flood, _third, _fourth));
        let under_way = handshakes.lock();
        assert!(under_way.all.is_empty() && under_way.of_address.is_empty(), "nothing is kept of who is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_begin_in_a_second_from_one_address_and_others_are_not_touched() {
        let (handshakes, limits) = (Handshakes::new(), limits(64, 512, 5));
        let begun = |ip: &str| (0..20).filter(|_| handshakes.begin(&limits, peer(ip)).is_ok()).count();
        assert_eq!((begun("192.0.2.66"), begun("192.0.2.1")), (5, 5));
        assert_eq!(handshakes.begin(&limits, peer("192.0.2.66")).err(), Some(Refused::TooFastFromAddress));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(begun("192.0.2.66"), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_without_number_share_one_count() {
        let (handshakes, limits) = (Handshakes::new(), limits(64, 512, 2));
        let nth = |n: u32| SocketAddr::new(IpAddr::V4(n.into()), 1);
        let known = u32::try_from(crate::limits::ADDRESSES_MAX).expect("some thousands");
        (0..known).for_each(|n| drop(handshakes.begin(&limits, nth(n)).expect("its first")));
        let beyond = (0..10).filter(|n| handshakes.begin(&limits, nth(known + n)).is_ok()).count();
        assert_eq!(beyond, 2);
        assert_eq!(handshakes.lock().left.known.len(), crate::limits::ADDRESSES_MAX);
        tokio::time::advance(Duration::from_secs(1)).await;
        handshakes.begin(&limits, nth(known)).expect("those who have been quiet are forgotten");
        assert_eq!(handshakes.lock().left.known.len(), 1);
    }
}
