//! When imports run: cron, time zone, daylight saving, jitter, missed slots (TD-3, TD-4).

use jiff::{SignedDuration, Timestamp};

use super::hash::ShortHash;

mod cron;

pub use cron::{Cron, ScheduleError};

/// What a schedule looks like at one moment.
#[derive(Clone, Debug)]
pub struct ScheduleView<'a> {
    /// The parsed full schedule.
    pub full: &'a Cron,
    /// `suspend`
    pub suspend: bool,
    /// When the object was created, or when the last slot was handled, whichever is later.
    pub since: Timestamp,
    /// `startingDeadlineSeconds`; older slots are missed for good.
    pub starting_deadline: Option<SignedDuration>,
    /// Delay of each slot, fixed per object.
    pub jitter: SignedDuration,
    /// Is a run of the integration under way?
    pub active: bool,
    /// `concurrencyPolicy: Replace`
    pub replace: bool,
    /// A new `joinery.dev/requested-at` text is there.
    pub requested: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleDecision {
    /// Start a run for this slot; a requested run takes the present minute.
    pub start: Option<Timestamp>,
    /// Stop the run that is under way (`Replace`).
    pub stop_active: bool,
    /// A slot that came too late or met an active run under `Forbid`.
    pub missed: Option<Timestamp>,
    /// The next slot, jitter included; `None` when suspended or if there is none.
    pub next: Option<Timestamp>,
}

/// Decides what is due. At most one run is started however many slots were missed.
///
/// A slot is named by its own time, without the jitter, so that its run has one name whatever the delay. `since` is to be
/// moved to `start` or `missed` once the decision is carried out. A requested run takes a due slot along; while it has to
/// wait for a run that is under way, the request stands.
pub fn decide(view: &ScheduleView<'_>, now: Timestamp) -> ScheduleDecision {
    if view.suspend {
        return ScheduleDecision { start: None, stop_active: false, missed: None, next: None };
    }
    let reached = earlier(now, view.jitter);
    let due = view.full.last_due(view.since, reached);
    let late = |slot: Timestamp| view.starting_deadline.is_some_and(|deadline| reached.duration_since(slot) > deadline);
    let (start, stop_active, missed) = match due {
        _ if view.requested && !view.active => (Some(minute_of(now)), false, None),
        Some(slot) if late(slot) => (None, false, Some(slot)),
        // TD-3
        Some(slot) if view.active && !view.replace => (None, false, Some(slot)),
        Some(slot) => (Some(slot), view.active, None),
        None => (None, false, None),
    };
    // Not before `since`: a clock that was set back must not announce a slot again that is done.
    let handled = view.since.max(due.unwrap_or(view.since)).max(start.unwrap_or(view.since));
    let next = view.full.next(handled.max(reached)).and_then(|slot| slot.checked_add(view.jitter).ok());
    ScheduleDecision { start, stop_active, missed, next }
}

/// The default jitter: up to min(300 s, a tenth of the interval), derived from the UID so that it never moves.
pub fn default_jitter(uid: &str, interval: SignedDuration) -> SignedDuration {
    let most = u64::try_from(interval.as_secs() / 10).unwrap_or(0).min(300);
    let [a, b, c, d, e, f, g, h, ..] = ShortHash::of(uid.as_bytes()).0;
    let drawn = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % (most + 1);
    SignedDuration::from_secs(i64::try_from(drawn).unwrap_or(0))
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// Runs are named by minutes, as slots are.
fn minute_of(time: Timestamp) -> Timestamp {
    let second = time.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(time)
}
