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

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(schedule: &str) -> Cron {
        Cron::parse("spec.full.schedule", schedule, "Europe/Berlin").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn view<'a>(full: &'a Cron, since: &str) -> ScheduleView<'a> {
        ScheduleView {
            full,
            suspend: false,
            since: at(since),
            starting_deadline: None,
            jitter: SignedDuration::ZERO,
            active: false,
            replace: false,
            requested: false,
        }
    }

    #[test]
    fn a_slot_is_started_once_when_it_is_due() {
        let full = cron("0 2 * * *");
        let before = decide(&view(&full, "2026-01-01T12:00:00Z"), at("2026-01-02T00:59:59Z"));
        assert_eq!(before, ScheduleDecision { start: None, stop_active: false, missed: None, next: Some(at("2026-01-02T01:00:00Z")) });
        let due = decide(&view(&full, "2026-01-01T12:00:00Z"), at("2026-01-02T01:00:00Z"));
        let slot = Some(at("2026-01-02T01:00:00Z"));
        assert_eq!(due, ScheduleDecision { start: slot, stop_active: false, missed: None, next: Some(at("2026-01-03T01:00:00Z")) });
        let after = decide(&view(&full, "2026-01-02T01:00:00Z"), at("2026-01-02T01:00:30Z"));
        assert_eq!(after.start, None);
    }

    #[test]
    fn after_downtime_one_slot_is_caught_up_with() {
        let full = cron("0 2 * * *");
        let now = at("2026-01-10T09:00:00Z");
        let decision = decide(&view(&full, "2026-01-02T01:00:00Z"), now);
        assert_eq!((decision.start, decision.missed), (Some(at("2026-01-10T01:00:00Z")), None));
        let again = decide(&view(&full, "2026-01-10T01:00:00Z"), now);
        assert_eq!(again, ScheduleDecision { start: None, stop_active: false, missed: None, next: Some(at("2026-01-11T01:00:00Z")) });
    }

    #[test]
    fn a_slot_that_comes_too_late_is_missed_and_no_error() {
        let full = cron("0 2 * * *");
        let view = ScheduleView { starting_deadline: Some(SignedDuration::from_hours(1)), ..view(&full, "2026-01-02T01:00:00Z") };
        let slot = Some(at("2026-01-10T01:00:00Z"));
        assert_eq!(decide(&view, at("2026-01-10T02:00:00Z")).start, slot, "the deadline itself is in time");
        let late = decide(&view, at("2026-01-10T02:00:01Z"));
        assert_eq!((late.start, late.missed, late.next), (None, slot, Some(at("2026-01-11T01:00:00Z"))));
    }

    #[test]
    fn an_overrun_skips_the_slot_or_stops_the_run() {
        let full = cron("*/10 * * * *");
        let now = at("2026-01-01T12:10:00Z");
        let forbid = ScheduleView { active: true, ..view(&full, "2026-01-01T12:00:00Z") };
        let next = Some(at("2026-01-01T12:20:00Z"));
        assert_eq!(decide(&forbid, now), ScheduleDecision { start: None, stop_active: false, missed: Some(now), next });
        let replace = ScheduleView { replace: true, ..forbid };
        assert_eq!(decide(&replace, now), ScheduleDecision { start: Some(now), stop_active: true, missed: None, next });
        let early = decide(&replace, at("2026-01-01T12:09:00Z"));
        assert_eq!((early.start, early.stop_active), (None, false), "nothing is due, so nothing is stopped");
    }

    #[test]
    fn a_request_starts_now_or_waits_for_the_run_under_way() {
        let full = cron("0 2 * * *");
        let now = at("2026-01-01T12:34:56Z");
        let requested = ScheduleView { requested: true, ..view(&full, "2026-01-01T01:00:00Z") };
        assert_eq!(decide(&requested, now).start, Some(at("2026-01-01T12:34:00Z")));
        for replace in [false, true] {
            let waiting = decide(&ScheduleView { active: true, replace, ..requested.clone() }, now);
            assert_eq!((waiting.start, waiting.stop_active, waiting.missed), (None, false, None));
        }
        // A slot that is due as well is served by the same run.
        let both = ScheduleView { since: at("2025-12-31T12:00:00Z"), ..requested };
        let decision = decide(&both, now);
        assert_eq!((decision.start, decision.missed), (Some(at("2026-01-01T12:34:00Z")), None));
        assert_eq!(decide(&view(&full, "2026-01-01T12:34:00Z"), now).start, None);
    }

    #[test]
    fn suspended_nothing_is_started_nor_announced() {
        let full = cron("0 2 * * *");
        let suspended = ScheduleView { suspend: true, requested: true, ..view(&full, "2026-01-01T12:00:00Z") };
        let decision = decide(&suspended, at("2026-01-05T12:00:00Z"));
        assert_eq!(decision, ScheduleDecision { start: None, stop_active: false, missed: None, next: None });
    }

    #[test]
    fn b8_a_clock_that_steps_back_repeats_no_slot() {
        let full = cron("0 2 * * *");
        let done = view(&full, "2026-01-10T01:00:00Z");
        for now in ["2026-01-10T00:30:00Z", "2026-01-09T12:00:00Z", "2026-01-10T01:00:00Z", "2025-06-01T00:00:00Z"] {
            let decision = decide(&done, at(now));
            assert_eq!((decision.start, decision.missed), (None, None), "{now}");
            assert_eq!(decision.next, Some(at("2026-01-11T01:00:00Z")), "{now}");
        }
    }

    /// B8: a year of visits at odd moments, with downtime, across both changes of clocks and with the clock set back.
    #[test]
    fn b8_each_slot_of_a_year_is_started_at_most_once() {
        for (schedule, slots) in [("30 2 * * *", 365), ("15 */6 * * *", 4 * 365)] {
            let full = cron(schedule);
            let mut since = at("2026-01-01T00:00:00Z");
            let (mut now, end) = (since, at("2027-01-01T00:00:00Z"));
            let mut started = Vec::new();
            let mut turn: i64 = 0;
            while now < end {
                let decision =
                    decide(&ScheduleView { since, jitter: SignedDuration::from_secs(90), ..view(&full, "2026-01-01T00:00:00Z") }, now);
                if let Some(slot) = decision.start {
                    started.push(slot);
                    since = slot;
                }
                turn += 1;
                let step = if turn % 5 == 0 { -13 } else { 17 + turn % 41 };
                now = now.checked_add(SignedDuration::from_mins(step)).unwrap();
            }
            assert!(started.windows(2).all(|pair| pair[0] < pair[1]), "{schedule}");
            assert_eq!(started.len(), slots, "{schedule}");
        }
    }

    #[test]
    fn jitter_delays_the_start_and_not_the_name_of_a_slot() {
        let full = cron("0 2 * * *");
        let view = ScheduleView { jitter: SignedDuration::from_mins(5), ..view(&full, "2026-01-01T12:00:00Z") };
        let early = decide(&view, at("2026-01-02T01:04:59Z"));
        assert_eq!((early.start, early.next), (None, Some(at("2026-01-02T01:05:00Z"))));
        let due = decide(&view, at("2026-01-02T01:05:00Z"));
        assert_eq!((due.start, due.next), (Some(at("2026-01-02T01:00:00Z")), Some(at("2026-01-03T01:05:00Z"))));
    }

    #[test]
    fn the_default_jitter_is_fixed_spread_and_bounded() {
        let day = SignedDuration::from_hours(24);
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|n| default_jitter(&format!("uid-{n}"), day)).collect();
        assert!(drawn.len() > 100 && drawn.iter().all(|jitter| *jitter <= SignedDuration::from_secs(300)));
        assert_eq!(default_jitter("uid", day), default_jitter("uid", day));
        for (interval, most) in
            [(SignedDuration::from_mins(10), 60), (SignedDuration::from_secs(5), 0), (SignedDuration::from_secs(-60), 0)]
        {
            assert!((0..200).all(|n| default_jitter(&format!("uid-{n}"), interval) <= SignedDuration::from_secs(most)));
        }
    }
}
