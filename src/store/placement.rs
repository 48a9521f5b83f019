//! Which server each shard is written to, if a store has several.
//!
//! Rendezvous hashing with bounded loads: every pair of a server and a shard has a score, and a
//! shard goes to the server with its highest score that is not full; each server takes an equal
//! share. So the numbers of shards differ by at most one, and adding or removing a server moves few
//! shards, not all of them. The old points of a moved shard stay where they are: queries go to
//! every server.

use crate::model::{ShardCount, ShardId};

/// The server of every shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// By shard, an index of the addresses.
    endpoints: Vec<usize>,
}

impl Placement {
    /// Spreads shards over addresses; there is at least one.
    pub(super) fn new(urls: &[String], shards: ShardCount) -> Self {
        let (share, more) = (shards.as_usize() / urls.len(), shards.as_usize() % urls.len());
        let mut loads = vec![0; urls.len()];
        // The number of servers that may still take one more than their share.
        let mut left = more;
        let mut endpoints = Vec::with_capacity(shards.as_usize());
        for shard in shards.ids() {
            let has_room = |at: &usize| loads[*at] < share || (loads[*at] == share && left > 0);
            let found = (0..urls.len())
                .filter(has_room)
                .max_by_key(|at| (score(&urls[*at], shard), std::cmp::Reverse(*at)))
                .expect("the shares add up to the shards");
            if loads[found] == share {
                left -= 1;
            }
            loads[found] += 1;
            endpoints.push(found);
        }
        Self { endpoints }
    }

    /// The server of a shard. A shard number beyond the configured count gets the server of another
    /// shard.
    pub(super) fn endpoint(&self, shard: ShardId) -> usize {
        self.endpoints[shard.as_usize() % self.endpoints.len()]
    }
}

/// FNV-1a of the address and the shard, with its bits mixed as in `SplitMix64`. Implemented here
/// because shards would move to other servers if it changed.
fn score(url: &str, shard: ShardId) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in url.trim_end_matches('/').bytes().chain(shard.0.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("http://influx-{at}:8086")).collect()
    }

    fn placed(urls: &[String], shards: u16) -> Vec<usize> {
        let count = ShardCount(shards.try_into().expect("not zero"));
        let placement = Placement::new(urls, count);
        count.ids().map(|shard| placement.endpoint(shard)).collect()
    }

    #[test]
    fn every_server_has_as_many_shards_as_any_other_give_or_take_one() {
        for (n_urls, n_shards) in [(1, 1), (1, 256), (2, 2), (3, 2), (3, 7), (4, 64), (16, 256)] {
            let placed = placed(&urls(n_urls), n_shards);
            let loads: Vec<usize> =
                (0..n_urls).map(|at| placed.iter().filter(|found| **found == at).count()).collect();
            let (least, most) = (loads.iter().min(), loads.iter().max());
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{loads:?}");
        }
    }

    #[test]
    fn a_server_that_is_added_or_named_in_another_order_moves_few_shards() {
        let (four, five) = (urls(4), urls(5));
        let (before, after) = (placed(&four, 64), placed(&five, 64));
        let moved = before.iter().zip(&after).filter(|(one, other)| one != other).count();
        // A fifth must move; an index modulo the number of servers would move four fifths.
        assert!((12..=26).contains(&moved), "{moved}");
        let mut turned = four.clone();
        turned.rotate_left(1);
        let named = |urls: &[String], placed: &[usize]| -> Vec<String> {
            placed.iter().map(|at| urls[*at].clone()).collect()
        };
        assert_eq!(named(&four, &before), named(&turned, &placed(&turned, 64)));
    }

    #[test]
    fn a_shard_keeps_its_server_across_versions() {
        // The expected values are fixed: a change here moves shards to other servers.
        assert_eq!(placed(&urls(3), 8), EXPECTED);
        let slashed: Vec<String> = urls(3).iter().map(|url| format!("{url}/")).collect();
        assert_eq!(placed(&slashed, 8), EXPECTED);
    }

    const EXPECTED: [usize; 8] = [1, 0, 1, 0, 2, 2, 0, 1];
}
