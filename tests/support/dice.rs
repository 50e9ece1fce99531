//! Chance that can be repeated: the start value is printed, and with the commit it replays a failure.

use std::time::{SystemTime, UNIX_EPOCH};

/// A random sequence (SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
pub struct Dice(u64);

impl Dice {
    /// Begins with `JOINERY_SEED`, or somewhere; says where.
    pub fn new() -> Self {
        let given = std::env::var("JOINERY_SEED").ok().and_then(|seed| seed.parse().ok());
        #[allow(clippy::cast_possible_truncation, clippy::disallowed_methods, reason = "any number will do, and each run has another")]
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
        let seed = given.unwrap_or_else(now);
        println!("JOINERY_SEED={seed}");
        Self(seed)
    }

    /// Another sequence, which this one determines.
    pub fn fork(&mut self) -> Self {
        Self(u64::try_from(self.below(usize::MAX)).expect("64 bits"))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).expect("64 bits");
        usize::try_from((mixed ^ (mixed >> 31)) % bound).expect("below a usize")
    }

    /// In any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
