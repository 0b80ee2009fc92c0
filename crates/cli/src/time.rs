//! Times as people read them.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use strongroom_keys::time::Rfc3339;

/// `time` as seconds since the Unix epoch; 0 for a time before it.
pub(crate) fn since_epoch(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `seconds` since the Unix epoch as `2026-11-21T20:04:47Z` (RFC 3339).
pub(crate) fn display_time(seconds: u64) -> String {
    Rfc3339(seconds).to_string()
}

/// `seconds` since the Unix epoch as `20261121T200447Z` (ISO 8601), for names of files.
pub(crate) fn compact_time(seconds: u64) -> String {
    display_time(seconds).replace(['-', ':'], "")
}

/// `2027-01-31` or `2027-01-31T08:00:00Z` (RFC 3339, with any offset), or seconds since the Unix epoch; as
/// the latter.
///
/// # Errors
///
/// What it should be.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let wanted = "write it as 2027-01-31, as 2027-01-31T08:00:00Z, or in seconds since 1970";
    let seconds = if digits(text) {
        text.parse().ok()
    } else {
        date(text).and_then(|time| time.try_into().ok())
    };
    seconds.ok_or_else(|| wanted.to_owned())
}

/// `90s`, `30m`, `24h`, `7d`, in seconds.
///
/// # Errors
///
/// What it should be.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let seconds = units.into_iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit).filter(|number| digits(number))?;
        number.parse::<u64>().ok()?.checked_mul(seconds)
    });
    seconds.ok_or_else(|| "write it as 90s, 30m, 24h or 7d".to_owned())
}

/// As [`parse_duration`], and not 0.
///
/// # Errors
///
/// What it should be.
pub(crate) fn parse_lifetime(text: &str) -> Result<u64, String> {
    match parse_duration(text)? {
        0 => Err("it must be longer than nothing; write it as 90s, 30m, 24h or 7d".to_owned()),
        seconds => Ok(seconds),
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A field of so many digits within limits, and what follows it.
fn field(text: &str, length: usize, limits: RangeInclusive<i64>) -> Option<(i64, &str)> {
    let (number, rest) = text.split_at_checked(length)?;
    let number = number.parse().ok().filter(|_| digits(number))?;
    limits.contains(&number).then_some((number, rest))
}

/// RFC 3339 as seconds since 1970; the days as in Howard Hinnant's `days_from_civil`.
fn date(text: &str) -> Option<i64> {
    let (year, rest) = field(text, 4, 1970..=9999)?;
    let (month, rest) = field(rest.strip_prefix('-')?, 2, 1..=12)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    let (day, rest) = field(rest.strip_prefix('-')?, 2, 1..=length)?;
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    if rest.is_empty() {
        return Some(days * 86_400);
    }
    let (hour, rest) = field(rest.strip_prefix(['T', 't', ' '])?, 2, 0..=23)?;
    let (minute, rest) = field(rest.strip_prefix(':')?, 2, 0..=59)?;
    let (second, rest) = field(rest.strip_prefix(':')?, 2, 0..=59)?;
    let local = days * 86_400 + hour * 3_600 + minute * 60 + second;
    if matches!(rest, "Z" | "z") {
        return Some(local);
    }
    let ahead = rest.starts_with('+');
    let (hours, rest) = field(rest.strip_prefix(['+', '-'])?, 2, 0..=23)?;
    let (minutes, rest) = field(rest.strip_prefix(':')?, 2, 0..=59)?;
    let offset = hours * 3_600 + minutes * 60;
    rest.is_empty().then_some(if ahead { local - offset } else { local + offset })
}

#[cfg(test)]
mod tests {
    use super::{display_time, parse_duration, parse_time};

    #[test]
    fn what_is_displayed_is_parsed() {
        for seconds in (0..4_200_000_000).step_by(1_000_003) {
            assert_eq!(parse_time(&display_time(seconds)), Ok(seconds));
            assert_eq!(parse_time(&seconds.to_string()), Ok(seconds));
        }
        assert_eq!(parse_time("2024-02-29"), Ok(1_709_164_800));
        assert_eq!(parse_time("2024-02-29T01:00:00+01:00"), Ok(1_709_164_800));
        assert_eq!(parse_time("2024-02-28T23:00:00-01:00"), Ok(1_709_164_800));
        for text in [
            "",
            "-1",
            "+1",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-32",
            "2024-1-1",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00Zx",
            "1969-12-31",
            "1970-01-01T00:00:00+01:00",
            "2024-01-01T00:00:00+1:00",
            "tomorrow",
            "202\u{e9}-01-01",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Ok(seconds));
        }
        for text in ["", "h", "24", "1.5h", "-1h", "+1h", "1w", "99999999999999999999d", "h24"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
