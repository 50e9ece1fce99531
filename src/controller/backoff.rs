//! How long an object waits after a failed reconcile: 5 s, doubling, at most 5 min, per UID; forgotten by age.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::domain::hash::ShortHash;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
/// An object that has not failed for so long starts at the beginning.
const FORGET_SECONDS: i64 = 3600;

/// Failures in a row, by object.
#[derive(Default)]
pub(crate) struct Backoff(Mutex<HashMap<String, (u32, Timestamp)>>);

impl Backoff {
    /// Notes a failure; says how long to wait.
    pub(crate) fn failed(&self, uid: &str, now: Timestamp) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (_, last)| now.duration_since(*last).as_secs() < FORGET_SECONDS);
        let entry = failures.entry(uid.to_owned()).or_insert((0, now));
        let wait = FIRST.saturating_mul(1 << entry.0.min(10)).min(LONGEST);
        *entry = (entry.0.saturating_add(1), now);
        jittered(wait, uid)
    }

    /// Notes a success.
    pub(crate) fn succeeded(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// The wait, up to a fifth shorter and never longer: it may be the time to the next slot of a schedule.
pub(crate) fn spread(wait: Duration, uid: &str) -> Duration {
    jittered(wait, uid).mul_f64(1.0 / 1.1)
}

/// The wait, up to 10 % longer or shorter. Derived from the UID, so that objects do not move in step and one object does
/// not move at all.
pub(crate) fn jittered(wait: Duration, uid: &str) -> Duration {
    let hash = ShortHash::of(uid.as_bytes()).0;
    let share = f64::from(u16::from_be_bytes([hash[0], hash[1]])) / f64::from(u16::MAX);
    wait.mul_f64(0.9 + 0.2 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "waits are small and positive")]
    fn seconds(backoff: &Backoff, uid: &str, second: i64) -> u64 {
        let wait = backoff.failed(uid, Timestamp::from_second(second).unwrap());
        (wait.as_secs_f64() / jittered(Duration::from_secs(1), uid).as_secs_f64()).round() as u64
    }

    #[test]
    fn waits_double_up_to_five_minutes_and_start_again_after_a_success() {
        let backoff = Backoff::default();
        let waits: Vec<u64> = (0..9).map(|n| seconds(&backoff, "a", n)).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(seconds(&backoff, "b", 9), 5, "another object");
        backoff.succeeded("a");
        assert_eq!(seconds(&backoff, "a", 10), 5);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let backoff = Backoff::default();
        seconds(&backoff, "a", 0);
        assert_eq!(seconds(&backoff, "a", FORGET_SECONDS + 1), 5);
    }
}
