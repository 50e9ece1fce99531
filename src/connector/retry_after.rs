//! How long an app wants to be left alone (RL-2).

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// What is waited where an app does not say, at first; it doubles each time.
const FIRST: Duration = Duration::from_secs(5);
/// What that doubling ends at.
const LONGEST_GUESS: Duration = Duration::from_mins(5);
/// A longer pause than this is not waited in one piece: the app is probed once per such time.
const LONGEST: Duration = Duration::from_hours(1);
/// What a time that has passed, or none at all, means.
const SHORTEST: Duration = Duration::from_secs(1);

/// The pause that an app asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// So long; zero if the time has passed already.
    For(Duration),
    /// It does not say, or not so that it can be read.
    Unsaid,
}

/// Reads `Retry-After`: whole seconds, or an HTTP date in one of the three forms of RFC 9110, taken relative to the
/// answer's own `Date`, since the app's clock may be off.
pub(super) fn read(retry_after: Option<&[u8]>, date: Option<&[u8]>, now: Timestamp) -> Pause {
    parse(retry_after, date, now).map_or(Pause::Unsaid, Pause::For)
}

fn parse(retry_after: Option<&[u8]>, date: Option<&[u8]>, now: Timestamp) -> Option<Duration> {
    let text = std::str::from_utf8(retry_after?).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a number all the same: a very long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let from = date.and_then(|date| std::str::from_utf8(date).ok()).and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    Some(until.duration_since(from.unwrap_or_else(|| SystemTime::from(now))).unwrap_or_default())
}

/// How long to stay away. `strikes`: how often the app has asked in a row before; `jitter`: 0 to 1, the part of the extra
/// tenth that is used.
pub(super) fn length(asked: Pause, strikes: u32, jitter: f64) -> Duration {
    let plain = match asked {
        Pause::For(time) => time.clamp(SHORTEST, LONGEST),
        Pause::Unsaid => FIRST.saturating_mul(2_u32.saturating_pow(strikes)).min(LONGEST_GUESS),
    };
    plain.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Wed, 01 Jul 2026 12:00:00 GMT";

    #[test]
    fn rl2_every_form_of_retry_after_is_read_as_the_rulebook_says() {
        // The machine's clock is a day off: it must not matter where the answer has a Date.
        let now: Timestamp = "2026-07-02T12:00:00Z".parse().unwrap();
        for (header, seconds, why) in [
            (Some("7"), Some(7), "whole seconds"),
            (Some(" 7 "), Some(7), "white space around"),
            (Some("0"), Some(0), "at once"),
            (Some("1000000000"), Some(1_000_000_000), "thirty years"),
            (Some("99999999999999999999999999"), Some(u64::MAX), "more than fits"),
            (Some("Wed, 01 Jul 2026 12:00:30 GMT"), Some(30), "IMF-fixdate"),
            (Some("Wednesday, 01-Jul-26 12:00:30 GMT"), Some(30), "RFC 850"),
            (Some("Wed Jul  1 12:00:30 2026"), Some(30), "asctime"),
            (Some("Wed, 01 Jul 2026 11:00:00 GMT"), Some(0), "a date in the past"),
            (Some("-1"), None, "negative"),
            (Some("+7"), None, "a sign"),
            (Some("7.5"), None, "a fraction"),
            (Some("soon"), None, "rubbish"),
            (Some(""), None, "empty"),
            (Some("Wed, 01 Jul 2026"), None, "half a date"),
            (None, None, "absent"),
        ] {
            assert_eq!(parse(header.map(str::as_bytes), Some(DATE.as_bytes()), now), seconds.map(Duration::from_secs), "{why}");
        }
        assert_eq!(read(Some(b"\xff7"), None, now), Pause::Unsaid, "bytes that are no text");
        let tomorrow = Some("Thu, 02 Jul 2026 12:00:10 GMT".as_bytes());
        assert_eq!(read(tomorrow, None, now), Pause::For(Duration::from_secs(10)), "no Date: by our clock");
        assert_eq!(parse(tomorrow, Some(b"rubbish"), now), Some(Duration::from_secs(10)), "unreadable Date: by our clock");
    }

    #[test]
    fn rl2_pauses_are_bounded_below_and_above_and_double_where_the_app_does_not_say() {
        let seconds = |asked: Option<u64>, strikes, jitter| {
            let asked = asked.map_or(Pause::Unsaid, |seconds| Pause::For(Duration::from_secs(seconds)));
            length(asked, strikes, jitter).as_secs_f64()
        };
        for (asked, strikes, jitter, expected) in [
            (Some(7), 9, 0.0, 7.0),
            (Some(0), 0, 0.0, 1.0),
            (Some(3600), 0, 0.0, 3600.0),
            (Some(u64::MAX), 0, 0.0, 3600.0),
            (None, 0, 0.0, 5.0),
            (None, 1, 0.0, 10.0),
            (None, 5, 0.0, 160.0),
            (None, 6, 0.0, 300.0),
            (None, 40, 0.0, 300.0),
            (Some(100), 0, 0.5, 105.0),
            (Some(100), 0, 1.0, 110.0),
            (Some(100), 0, 7.0, 110.0),
        ] {
            let got = seconds(asked, strikes, jitter);
            assert!((got - expected).abs() < 1e-6, "{asked:?} {strikes} {jitter}: {got}");
        }
    }
}
