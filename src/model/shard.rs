//! Shards and the positions of entries in their spools.

use std::num::NonZeroU16;

/// How many shards a data directory has; fixed once it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardCount(pub NonZeroU16);

impl ShardCount {
    /// All shards, in order.
    pub fn ids(self) -> impl Iterator<Item = ShardId> {
        (0..self.0.get()).map(ShardId)
    }

    /// The count as an index bound.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::from(self.0.get())
    }
}

/// One partition of the vehicles: one lane, one spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard of a vehicle.
    #[must_use]
    pub fn of(vehicle: &[u8], count: ShardCount) -> Self {
        VehicleHash::of(vehicle).shard(count)
    }

    /// The shard as an index.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::from(self.0)
    }
}

/// Decides the shard of a vehicle: FNV-1a of its identity, modulo the number of shards.
///
/// Implemented here because it must never change: if a vehicle moved to another shard, its points
/// could arrive out of order while both spools drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VehicleHash(u64);

impl VehicleHash {
    /// The hash of a vehicle's identity.
    #[must_use]
    pub fn of(vehicle: &[u8]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in vehicle {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // The high half is mixed in because the low bits of FNV alternate for consecutive digits.
        Self(hash ^ (hash >> 32))
    }

    /// The vehicle's shard.
    #[must_use]
    pub fn shard(self, count: ShardCount) -> ShardId {
        let index = self.0 % u64::from(count.0.get());
        ShardId(u16::try_from(index).expect("the remainder is below a u16"))
    }
}

/// The number of an entry in its spool: strictly increasing, without gaps, from 1 (SP-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before every entry.
    pub const ZERO: Self = Self(0);

    /// The next position.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vehicle_keeps_its_shard_across_versions() {
        // The expected values are fixed; a change here is a change of the data format.
        let count = ShardCount(NonZeroU16::new(7).expect("seven is not zero"));
        let shards: Vec<u16> = ["VIN00000000000001", "VIN00000000000002", "a", ""]
            .iter()
            .map(|vehicle| ShardId::of(vehicle.as_bytes(), count).0)
            .collect();
        assert_eq!(shards, EXPECTED);
    }

    const EXPECTED: [u16; 4] = [6, 3, 1, 6];

    #[test]
    fn consecutive_vehicles_spread_evenly() {
        let count = ShardCount(NonZeroU16::new(2).expect("two is not zero"));
        let first = (0..10_000)
            .filter(|n| ShardId::of(format!("VIN{n:014}").as_bytes(), count).0 == 0)
            .count();
        assert!((4_500..5_500).contains(&first), "{first} of 10000 in shard 0");
    }
}
