//! Random numbers whose start is printed: `JOINERY_START` repeats a failure.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::{SystemTime, UNIX_EPOCH};

/// A sequence of numbers (splitmix64), the same for the same start.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts where `JOINERY_START` says, else anywhere; prints where, which is shown with a failure.
    #[allow(clippy::disallowed_methods, reason = "any start will do; nothing is dated by it")]
    pub fn start(test: &str) -> Self {
        let given = std::env::var("JOINERY_START").ok().and_then(|text| text.parse().ok());
        let anywhere = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_nanos()));
        let start = given.unwrap_or_else(anywhere);
        println!("{test} starts at {start}: JOINERY_START={start} repeats it");
        Self(start)
    }

    /// Always the same sequence.
    pub fn fixed(start: u64) -> Self {
        Self(start)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not nought.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end).expect("it fits")).expect("it fits")
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// Another sequence, which this one determines.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// In any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
