//! Counts of plans as sets of bits: every action counts each thing once or not at all, and one `GROUP BY` adds them up.

use crate::domain::counts::{ImportCounts, ProvisionCounts};

/// Counts whose fields stand in a fixed order. The order is part of the store: append only.
pub(super) trait Tally: Copy + Default {
    /// The fields in order.
    fn fields(&mut self) -> Vec<&mut u64>;

    /// The set of those that are not zero.
    fn bits(mut self) -> i64 {
        self.fields().iter().enumerate().filter(|(_, field)| ***field > 0).map(|(position, _)| 1 << position).sum()
    }

    /// Adds a set of bits that occurs so many times.
    fn add_bits(&mut self, bits: i64, times: u64) {
        for (position, field) in self.fields().into_iter().enumerate() {
            if bits & (1 << position) != 0 {
                *field += times;
            }
        }
    }
}

impl Tally for ImportCounts {
    fn fields(&mut self) -> Vec<&mut u64> {
        let Self { new, matched, updated, unchanged, deactivated, suspended, unassigned, reactivated, pending, ignored, failed, protected } =
            self;
        vec![new, matched, updated, unchanged, deactivated, suspended, unassigned, reactivated, pending, ignored, failed, protected]
    }
}

impl Tally for ProvisionCounts {
    fn fields(&mut self) -> Vec<&mut u64> {
        let Self { create, adopt, update, deactivate, reactivate, unchanged, protected } = self;
        vec![create, adopt, update, deactivate, reactivate, unchanged, protected]
    }
}
