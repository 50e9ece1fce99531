//! When imports run: cron, time zone, daylight saving, jitter, missed slots (TD-3, TD-4).

use jiff::{SignedDuration, Timestamp};

/// A parsed cron schedule in a time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    _private: (),
}

/// Why a schedule is invalid; names the field and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ScheduleError {
    /// The field, such as `spec.full.schedule`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
}

impl Cron {
    /// Parses five fields (minute, hour, day of month, month, day of week), as CronJob does, and an IANA time zone.
    pub fn parse(_field: &str, _schedule: &str, _time_zone: &str) -> Result<Self, ScheduleError> {
        todo!()
    }

    /// The first slot after `after`. A local time that a change of clocks skips runs at the next valid minute; one that is
    /// repeated runs once.
    pub fn next(&self, _after: Timestamp) -> Option<Timestamp> {
        todo!()
    }

    /// The last slot at or before `now` that is after `since`, i.e. the one to catch up with.
    pub fn last_due(&self, _since: Timestamp, _now: Timestamp) -> Option<Timestamp> {
        todo!()
    }

    /// The time between two slots around `now`.
    pub fn interval(&self, _now: Timestamp) -> Option<SignedDuration> {
        todo!()
    }
}

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
pub fn decide(_view: &ScheduleView<'_>, _now: Timestamp) -> ScheduleDecision {
    todo!()
}

/// The default jitter: up to min(300 s, a tenth of the interval), derived from the UID so that it never moves.
pub fn default_jitter(_uid: &str, _interval: SignedDuration) -> SignedDuration {
    todo!()
}
