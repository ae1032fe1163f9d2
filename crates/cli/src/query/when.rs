//! Times and durations as people write them.

use varve_client::recognise::{Clues, whole_time};
use varve_types::{TimestampError, TimestampNs};

/// A time counted back from now, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ago(i64);

impl Ago {
    pub(super) const fn before(self, now: TimestampNs) -> TimestampNs {
        now.saturating_add_ns(-self.0)
    }
}

const UNITS: [(&str, i64); 6] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 7 * 86_400_000_000_000),
];

/// `30s`, `15m`, `1h30m`, `7d`, `2w`.
pub(super) fn duration(text: &str) -> Result<Ago, String> {
    const WANTED: &str = "write a duration like 30s, 15m, 1h, 1h30m, 7d or 2w";
    let mut rest = text.trim();
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: i64 = rest[..digits].parse().map_err(|_| WANTED)?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = &rest[..letters];
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(WANTED)?;
        rest = &rest[letters..];
        total = number
            .checked_mul(*scale)
            .and_then(|part| total.checked_add(part))
            .ok_or("longer than 292 years, which is all of time here; leave it out")?;
    }
    if total == 0 { Err(WANTED.to_owned()) } else { Ok(Ago(total)) }
}

/// RFC 3339, a day, a day and a time of day (in UTC), or a number since 1970.
pub(super) fn time(text: &str) -> Result<TimestampNs, TimestampError> {
    let utc = Clues { offset_seconds: 0, now: TimestampNs(0) };
    let midnight = || whole_time(&format!("{} 00:00:00", text.trim()), &utc);
    TimestampNs::parse(text)
        .or_else(|error| whole_time(text.trim(), &utc).or_else(midnight).ok_or(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_read_or_refused() {
        assert_eq!(duration("1h30m"), Ok(Ago(5_400_000_000_000)));
        assert_eq!(duration("2w"), duration("14d"));
        for text in ["", "1", "h", "1 h", "0s", "-1h", "1y", "99999999999w", "١h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        let wanted = TimestampNs::parse("2026-01-31T00:00:00Z");
        for text in ["2026-01-31", "2026-01-31 00:00:00", "1769817600", "2026-01-31T01:00:00+01:00"]
        {
            assert_eq!(time(text), wanted, "{text}");
        }
        for text in ["", "tomorrow", "2026-02-31", "2026-01-31 25:00:00"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
