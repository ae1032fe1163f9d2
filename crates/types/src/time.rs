//! Times in nanoseconds, how they are written, and ranges of them.

use std::fmt;

use jiff::Timestamp;

/// Nanoseconds since 1970-01-01T00:00:00Z; before it, negative. From 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampNs(pub i64);

/// Why a time was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Neither RFC 3339 nor a whole number.
    #[error(
        "time {0:?} is neither RFC 3339 (2026-01-31T12:00:00Z) nor a whole number of s, ms, µs or ns since 1970"
    )]
    Form(String),
    /// Outside what 64 bits of nanoseconds hold.
    #[error("time {0:?} is outside 1677-09-22 to 2262-04-11")]
    Range(String),
}

/// Below these magnitudes a whole number counts seconds, milliseconds or microseconds. Seconds
/// reach the year 5138; milliseconds begin in March 1973, microseconds and nanoseconds likewise.
const SECONDS_BELOW: u64 = 100_000_000_000;
const MILLIS_BELOW: u64 = 100_000_000_000_000;
const MICROS_BELOW: u64 = 100_000_000_000_000_000;

impl TimestampNs {
    /// The first time there is.
    pub const MIN: Self = Self(i64::MIN);
    /// The last time there is.
    pub const MAX: Self = Self(i64::MAX);

    /// The plain number of nanoseconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 or a whole number whose magnitude tells its unit.
    ///
    /// # Errors
    ///
    /// [`TimestampError::Form`] when the text is neither, [`TimestampError::Range`] when it names
    /// a time that 64 bits of nanoseconds cannot hold.
    ///
    /// ```
    /// use varve_types::TimestampNs;
    /// let wanted = TimestampNs(1_700_000_000_000_000_000);
    /// for text in ["1700000000", "1700000000000", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"] {
    ///     assert_eq!(TimestampNs::parse(text), Ok(wanted));
    /// }
    /// ```
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let text = text.trim();
        let shown = || text.chars().take(64).collect::<String>();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map_err(|_| TimestampError::Range(shown()))?;
            return Self::from_number(number).ok_or_else(|| TimestampError::Range(shown()));
        }
        let timestamp: Timestamp = text.parse().map_err(|_| TimestampError::Form(shown()))?;
        i64::try_from(timestamp.as_nanosecond())
            .map(Self)
            .map_err(|_| TimestampError::Range(shown()))
    }

    /// The time that a whole number of s, ms, µs or ns stands for, told by its magnitude, or
    /// `None` when nanoseconds would not fit.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        let unit = match number.unsigned_abs() {
            n if n < SECONDS_BELOW => 1_000_000_000,
            n if n < MILLIS_BELOW => 1_000_000,
            n if n < MICROS_BELOW => 1_000,
            _ => 1,
        };
        number.checked_mul(unit).map(Self)
    }

    /// The time `ns` nanoseconds later, at the ends of the range held.
    #[must_use]
    pub const fn saturating_add_ns(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// RFC 3339 in UTC, with as many digits of the fraction as it has.
impl fmt::Display for TimestampNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => fmt::Display::fmt(&timestamp, f),
            // Every i64 of nanoseconds is a time that jiff holds.
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

/// A span of time: `start` inclusive, `end` exclusive; `None` is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first time inside.
    pub start: Option<TimestampNs>,
    /// The first time after.
    pub end: Option<TimestampNs>,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { start: None, end: None };

    /// Whether a time lies inside.
    #[must_use]
    pub fn contains(&self, time: TimestampNs) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time < end)
    }

    /// Whether some time from `min` to `max` (both inclusive) lies inside.
    #[must_use]
    pub fn overlaps(&self, min: TimestampNs, max: TimestampNs) -> bool {
        self.start.is_none_or(|start| start <= max) && self.end.is_none_or(|end| min < end)
    }

    /// Whether all times from `min` to `max` (both inclusive) lie inside.
    #[must_use]
    pub fn covers(&self, min: TimestampNs, max: TimestampNs) -> bool {
        self.contains(min) && self.contains(max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_tells_its_unit_by_its_magnitude() {
        let wanted = Some(TimestampNs(1_700_000_000_000_000_000));
        for number in
            [1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000_000_000_000]
        {
            assert_eq!(TimestampNs::from_number(number), wanted);
        }
        assert_eq!(TimestampNs::from_number(99_999_999_999), None, "the year 5138 does not fit");
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_text_shown() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1.5", "--1"] {
            let refusal = TimestampNs::parse(text).expect_err(text).to_string();
            assert!(refusal.contains(&format!("{text:?}")), "{refusal}");
        }
        assert!(matches!(TimestampNs::parse(&"9".repeat(30)), Err(TimestampError::Range(_))));
        assert!(matches!(
            TimestampNs::parse("3000-01-01T00:00:00Z"),
            Err(TimestampError::Range(_))
        ));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ns: i64) {
            let time = TimestampNs(ns);
            prop_assert_eq!(TimestampNs::parse(&time.to_string()), Ok(time));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = TimestampNs::parse(&text);
        }
    }
}
