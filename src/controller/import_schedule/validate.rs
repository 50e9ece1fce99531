//! From a schedule's spec to slots.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::dereference::Found;
use crate::{
    api::{ImportSchedule, import_schedule::ConcurrencyPolicy},
    domain::schedule::{Cron, ScheduleError, ScheduleView, default_jitter},
};

/// A schedule that can be read.
pub(super) struct Valid {
    full: Cron,
    suspend: bool,
    since: Timestamp,
    starting_deadline: SignedDuration,
    jitter: SignedDuration,
    replace: bool,
}

pub(super) fn run(schedule: &ImportSchedule, now: Timestamp) -> Result<Valid, ScheduleError> {
    let spec = &schedule.spec;
    let full = Cron::parse("spec.full.schedule", &spec.full.schedule, &spec.time_zone)?;
    let created = schedule.creation_timestamp().map_or(now, |time| time.0);
    let handled = schedule.status.as_ref().and_then(|status| status.last_schedule_time.as_ref()).map(|time| time.0);
    let jitter = if let Some(seconds) = spec.jitter_seconds {
        SignedDuration::from_secs(i64::from(seconds))
    } else {
        let interval = full.interval(now).unwrap_or(SignedDuration::ZERO);
        default_jitter(&schedule.uid().unwrap_or_default(), interval)
    };
    Ok(Valid {
        suspend: spec.suspend,
        since: handled.map_or(created, |handled| handled.max(created)),
        starting_deadline: SignedDuration::from_secs(i64::from(spec.starting_deadline_seconds)),
        jitter,
        replace: spec.concurrency_policy == ConcurrencyPolicy::Replace,
        full,
    })
}

impl Valid {
    pub(super) fn view(&self, found: &Found) -> ScheduleView<'_> {
        ScheduleView {
            full: &self.full,
            suspend: self.suspend || found.integration_suspended,
            since: found.slot.map_or(self.since, |slot| slot.max(self.since)),
            starting_deadline: Some(self.starting_deadline),
            jitter: self.jitter,
            active: found.active().next().is_some(),
            replace: self.replace,
            requested: found.request.is_some(),
        }
    }
}
