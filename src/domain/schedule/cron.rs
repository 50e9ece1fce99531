//! Cron in a time zone (TD-4).

use croner::{
    Cron as Pattern,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{self, DateTime},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

/// A parsed cron schedule in a time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: Pattern,
    zone: TimeZone,
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

/// The field of the time zone, which all schedules of an object share.
const TIME_ZONE_FIELD: &str = "spec.timeZone";

/// What a schedule looks like, for those whose schedule does not.
const FORM: &str = "a schedule has five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC) and day of week \
                    (0-7 or SUN-SAT), such as `0 2 * * *`; or it is one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually";

/// Where the search for any slot at all begins: a leap year, so that 29 February is found at once.
const EPOCH: DateTime = civil::date(2024, 1, 1).at(0, 0, 0, 0);

impl Cron {
    /// Parses five fields (minute, hour, day of month, month, day of week), as CronJob does, and an IANA time zone.
    pub fn parse(field: &str, schedule: &str, time_zone: &str) -> Result<Self, ScheduleError> {
        let invalid = |problem: String| ScheduleError { field: field.to_owned(), problem };
        let pattern = parse_pattern(schedule).map_err(invalid)?;
        if pattern.find_next_occurrence(&EPOCH, true).is_err() {
            return Err(invalid("no day satisfies it, so it would never run; choose a day of month that the month has".to_owned()));
        }
        // The database that is compiled in, not that of the machine: a schedule means the same everywhere.
        let zone = TimeZoneDatabase::bundled().get(time_zone).map_err(|_| ScheduleError {
            field: TIME_ZONE_FIELD.to_owned(),
            problem: "this is no IANA time zone; one reads like `Europe/Berlin` or `Etc/UTC`".to_owned(),
        })?;
        Ok(Self { pattern, zone })
    }

    /// The first slot after `after`. A local time that a change of clocks skips runs at the next valid minute; one that is
    /// repeated runs once.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut local = self.zone.to_datetime(after);
        loop {
            local = self.pattern.find_next_occurrence(&local, false).ok()?;
            // Local times of the later half of a repeated hour stand for instants that are past.
            match self.instant(local)? {
                slot if slot > after => return Some(slot),
                _ => {}
            }
        }
    }

    /// The last slot at or before `now` that is after `since`, i.e. the one to catch up with.
    pub fn last_due(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut local = self.furthest_local(now);
        let mut inclusive = true;
        loop {
            local = self.pattern.find_previous_occurrence(&local, inclusive).ok()?;
            inclusive = false;
            match self.instant(local)? {
                slot if slot <= since => return None,
                slot if slot <= now => return Some(slot),
                _ => {}
            }
        }
    }

    /// The time between two slots around `now`.
    pub fn interval(&self, now: Timestamp) -> Option<SignedDuration> {
        let next = self.next(now)?;
        let (from, to) = match self.last_due(Timestamp::MIN, now) {
            Some(last) => (last, next),
            None => (next, self.next(next)?),
        };
        Some(to.duration_since(from))
    }

    /// When a local time is: the first of two, or, of one that is skipped, the moment at which the clocks change (TD-4).
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { before, .. } => {
                // Read with the offset that has just ended, a skipped time lies less than the gap behind the change.
                let behind = before.to_timestamp(local).ok()?.checked_add(SignedDuration::from_secs(1)).ok()?;
                self.zone.preceding(behind).next().map(|change| change.timestamp())
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        }
    }

    /// The latest local time that was shown up to `now`: in the later half of a repeated hour, the end of the first.
    fn furthest_local(&self, now: Timestamp) -> DateTime {
        let local = self.zone.to_datetime(now);
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { before, .. } => before.to_datetime(now),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => local,
        }
    }
}

fn parse_pattern(schedule: &str) -> Result<Pattern, String> {
    let schedule = schedule.trim();
    let upper = schedule.to_ascii_uppercase();
    if upper.starts_with("TZ=") || upper.starts_with("CRON_TZ=") {
        return Err(format!("a schedule names no time zone; write it into {TIME_ZONE_FIELD}"));
    }
    let schedule = match upper.as_str() {
        "@MIDNIGHT" => "@daily",
        _ if upper.starts_with("@EVERY") => return Err(format!("@every is not supported, since it has no slots to catch up with; {FORM}")),
        _ => schedule,
    };
    if !schedule.starts_with('@') {
        let fields = schedule.split_whitespace().count();
        if fields != 5 {
            return Err(format!("it has {fields} fields; {FORM}"));
        }
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).sloppy_ranges(true).build();
    parser.parse(schedule).map_err(|error| format!("{error}; {FORM}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(schedule: &str, zone: &str) -> Cron {
        Cron::parse("spec.full.schedule", schedule, zone).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The slots after `after`, in UTC.
    fn slots(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let cron = cron(schedule, zone);
        std::iter::successors(cron.next(at(after)), |slot| cron.next(*slot)).take(count).map(|slot| slot.to_string()).collect()
    }

    #[test]
    fn a_time_that_spring_skips_runs_when_the_clocks_have_changed() {
        // 2026-03-29 02:00 CET → 03:00 CEST, i.e. 01:00 UTC.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            slots("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4),
            ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"],
            "what is skipped meets the slot that is there"
        );
        let due = |now: &str| cron("30 2 * * *", "Europe/Berlin").last_due(at("2026-03-28T12:00:00Z"), at(now));
        assert_eq!(due("2026-03-29T00:59:59Z"), None);
        assert_eq!(due("2026-03-29T01:00:00Z"), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(due("2026-03-29T09:00:00Z"), Some(at("2026-03-29T01:00:00Z")));
    }

    #[test]
    fn a_time_that_autumn_repeats_runs_once() {
        // 2026-10-25 03:00 CEST → 02:00 CET, i.e. 01:00 UTC.
        assert_eq!(slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        assert_eq!(
            slots("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4),
            ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:30:00Z"]
        );
        let due = |now: &str| cron("30 2 * * *", "Europe/Berlin").last_due(at("2026-10-24T12:00:00Z"), at(now));
        assert_eq!(due("2026-10-25T00:29:00Z"), None);
        assert_eq!(due("2026-10-25T01:10:00Z"), Some(at("2026-10-25T00:30:00Z")), "02:10 for the second time: 02:30 has been");
        assert_eq!(due("2026-10-25T01:40:00Z"), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(cron("30 2 * * *", "Europe/Berlin").last_due(at("2026-10-25T00:30:00Z"), at("2026-10-25T05:00:00Z")), None);
    }

    #[test]
    fn walking_forward_and_looking_back_see_the_same_slots() {
        for (schedule, from, to) in [
            ("*/7 * * * *", "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"),
            ("*/7 * * * *", "2026-10-24T22:00:00Z", "2026-10-25T05:00:00Z"),
            ("15,45 1-3 * * *", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
            ("15,45 1-3 * * *", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        ] {
            let cron = cron(schedule, "Europe/Berlin");
            let (mut now, end) = (at(from), at(to));
            let mut last = cron.last_due(Timestamp::MIN, now).unwrap();
            while now < end {
                let next = cron.next(last).unwrap();
                assert!(next > last, "{schedule} at {now}");
                if next <= now {
                    last = next;
                }
                assert_eq!(cron.last_due(Timestamp::MIN, now), Some(last), "{schedule} at {now}");
                now = now.checked_add(SignedDuration::from_mins(1)).unwrap();
            }
        }
    }

    #[test]
    fn what_cronjob_accepts_is_accepted() {
        for (schedule, first) in [
            ("0 2 * * *", "2026-01-01T02:00:00Z"),
            ("@daily", "2026-01-02T00:00:00Z"),
            ("@midnight", "2026-01-02T00:00:00Z"),
            ("@Hourly", "2026-01-01T01:00:00Z"),
            ("@weekly", "2026-01-04T00:00:00Z"),
            ("0/20 3 * * *", "2026-01-01T03:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 ? * mon-fri", "2026-01-02T00:00:00Z"),
            ("0 0 13 * FRI", "2026-01-02T00:00:00Z"),
            ("  5 4  1 jan,jul *  ", "2026-01-01T04:05:00Z"),
        ] {
            assert_eq!(slots(schedule, "Etc/UTC", "2026-01-01T00:00:00Z", 1), [first], "{schedule}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_and_the_field_named() {
        for (schedule, says) in [
            ("", "five fields"),
            ("0 2 * *", "it has 4 fields"),
            ("0 0 2 * * *", "it has 6 fields"),
            ("60 2 * * *", "minute (0-59)"),
            ("0 2 * * XYZ", "SUN-SAT"),
            ("@every 1h", "not supported"),
            ("@fortnightly", "@weekly"),
            ("TZ=Europe/Berlin 0 2 * * *", "spec.timeZone"),
            ("CRON_TZ=Europe/Berlin 0 2 * * *", "spec.timeZone"),
            ("0 0 31 2 *", "would never run"),
        ] {
            let error = Cron::parse("spec.full.schedule", schedule, "Etc/UTC").unwrap_err();
            assert_eq!(error.field, "spec.full.schedule", "{schedule}");
            assert!(error.problem.contains(says), "{schedule}: {error}");
        }
        for zone in ["", "Local", "Europe/Nowhere", "+01:00", "../etc/passwd", "CEST"] {
            let error = Cron::parse("spec.full.schedule", "0 2 * * *", zone).unwrap_err();
            assert_eq!(error.field, "spec.timeZone", "{zone}");
            assert!(error.problem.contains("Europe/Berlin"), "{zone}");
        }
    }

    #[test]
    fn the_interval_is_that_between_the_slots_around() {
        let interval = |schedule: &str| cron(schedule, "Etc/UTC").interval(at("2026-01-01T05:00:00Z")).unwrap();
        assert_eq!(interval("0 2 * * *"), SignedDuration::from_hours(24));
        assert_eq!(interval("*/30 * * * *"), SignedDuration::from_mins(30));
        assert_eq!(interval("0 4,12 * * *"), SignedDuration::from_hours(8));
    }
}
