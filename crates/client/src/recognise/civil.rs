//! From what a line says of a day and a time of day to nanoseconds since 1970.

use varve_types::TimestampNs;

use super::Clues;
use super::cursor::Cursor;

const SECOND_NS: i128 = 1_000_000_000;
const DAY_SECONDS: i64 = 24 * 3600;
const DAY_NS: i64 = DAY_SECONDS * 1_000_000_000;

/// Zones reach from 12 hours behind UTC to 14 ahead of it.
const OFFSET_SECONDS_MAX: i32 = 18 * 3600;

/// A date; the year may be missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    pub(super) year: Option<i32>,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// A time of day as it is written, with its zone where one is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimeOfDay {
    seconds: u32,
    nanos: u32,
    offset_seconds: Option<i32>,
}

impl Day {
    pub(super) const fn new(year: i32, month: u8, day: u8) -> Self {
        Self { year: Some(year), month, day }
    }

    /// A year in two digits, as the POSIX rule has it: 69 is 1969, 68 is 2068.
    pub(super) fn short(year: u8, month: u8, day: u8) -> Self {
        let century = if year < 69 { 2000 } else { 1900 };
        Self::new(century + i32::from(year), month, day)
    }

    /// The time on this day. A day without a year is put into the last year in which it is not
    /// after the clue's `now`, with a day's grace for clocks of other zones.
    pub(super) fn at(self, time: TimeOfDay, clues: &Clues) -> Option<TimestampNs> {
        if let Some(year) = self.year {
            return self.in_year(year, time, clues);
        }
        let latest = clues.now.saturating_add_ns(DAY_NS);
        let this_year = year_of(latest);
        // February 29 comes back after at most eight years.
        (0..=8)
            .filter_map(|back| self.in_year(this_year - back, time, clues))
            .find(|found| *found <= latest)
    }

    fn in_year(self, year: i32, time: TimeOfDay, clues: &Clues) -> Option<TimestampNs> {
        if self.day == 0 || self.day > days_in_month(year, self.month)? {
            return None;
        }
        let offset = time.offset_seconds.unwrap_or(clues.offset_seconds);
        let seconds = days_from_1970(year, self.month, self.day) * DAY_SECONDS
            + i64::from(time.seconds)
            - i64::from(offset);
        let ns = i128::from(seconds) * SECOND_NS + i128::from(time.nanos);
        i64::try_from(ns).ok().map(TimestampNs)
    }
}

impl TimeOfDay {
    /// `HH:MM:SS` with any one of these bytes in between; the hour may have one digit.
    pub(super) fn read(cursor: &mut Cursor<'_>, between: &[u8]) -> Option<Self> {
        let hour = cursor.one_or_two()?;
        cursor.eat_any(between)?;
        let minute = cursor.two()?;
        cursor.eat_any(between)?;
        let second = cursor.two()?;
        Self::new(hour, minute, second)
    }

    /// `H:M:S` of loggers that do not pad with zeros.
    pub(super) fn read_unpadded(cursor: &mut Cursor<'_>) -> Option<Self> {
        let hour = cursor.one_or_two()?;
        cursor.eat(b':')?;
        let minute = cursor.one_or_two()?;
        cursor.eat(b':')?;
        Self::new(hour, minute, cursor.one_or_two()?)
    }

    /// `HHMMSS`.
    pub(super) fn read_compact(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut part = || cursor.digits(2).and_then(|number| u8::try_from(number).ok());
        let (hour, minute, second) = (part()?, part()?, part()?);
        Self::new(hour, minute, second)
    }

    /// A leap second counts as the first second of the next minute.
    fn new(hour: u8, minute: u8, second: u8) -> Option<Self> {
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second);
        Some(Self { seconds, ..Self::default() })
    }

    /// A fraction of a second, when one of these marks and a digit follow.
    pub(super) fn with_fraction(mut self, cursor: &mut Cursor<'_>, marks: &[u8]) -> Self {
        if let Some(nanos) = fraction(cursor, marks) {
            self.nanos = nanos;
        }
        self
    }

    /// Milliseconds after a colon, not padded either, when they follow.
    pub(super) fn with_millis(mut self, cursor: &mut Cursor<'_>) -> Self {
        let mut ahead = *cursor;
        if ahead.eat(b':').is_some()
            && let count @ 1..=3 = ahead.digit_run()
            && let Some(millis) = ahead.digits(count)
        {
            self.nanos = u32::try_from(millis).unwrap_or(0) * 1_000_000;
            *cursor = ahead;
        }
        self
    }

    /// A zone, when one follows: `Z`, `UTC`, `GMT` or an offset, after at most one blank.
    pub(super) fn with_zone(mut self, cursor: &mut Cursor<'_>) -> Self {
        let mut ahead = *cursor;
        // A letter or an offset without minutes, after a blank, is more likely something else.
        let apart = ahead.eat(b' ').is_some();
        if let Some(offset) = zone(&mut ahead, apart) {
            self.offset_seconds = Some(offset);
            *cursor = ahead;
        }
        self
    }

    /// ` AM` or ` PM`, when it follows.
    pub(super) fn with_half(mut self, cursor: &mut Cursor<'_>) -> Self {
        let mut ahead = *cursor;
        ahead.eat(b' ');
        let noon = 12 * 3600;
        if ahead.eat_word(b"PM").is_some() {
            self.seconds += if self.seconds < noon { noon } else { 0 };
        } else if ahead.eat_word(b"AM").is_some() {
            self.seconds -= if self.seconds >= noon { noon } else { 0 };
        } else {
            return self;
        }
        *cursor = ahead;
        self
    }
}

/// Nanoseconds after a mark; digits past the ninth are left out.
pub(super) fn fraction(cursor: &mut Cursor<'_>, marks: &[u8]) -> Option<u32> {
    let mut ahead = *cursor;
    ahead.eat_any(marks)?;
    let count = ahead.digit_run();
    if count == 0 {
        return None;
    }
    let kept = count.min(9);
    let mut nanos = u32::try_from(ahead.digits(kept)?).ok()?;
    for _ in kept..9 {
        nanos *= 10;
    }
    ahead.digits(count - kept)?;
    *cursor = ahead;
    Some(nanos)
}

/// Seconds east of UTC.
pub(super) fn zone(cursor: &mut Cursor<'_>, strict: bool) -> Option<i32> {
    let ends = |ahead: usize, cursor: &Cursor<'_>| {
        cursor.peek(ahead).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    for name in [b"UTC", b"GMT"] {
        if ends(3, cursor) && cursor.eat_word(name).is_some() {
            return Some(0);
        }
    }
    if !strict && ends(1, cursor) && cursor.eat_any(b"Zz").is_some() {
        return Some(0);
    }
    let sign = if cursor.eat_any(b"+-")? == b'-' { -1 } else { 1 };
    let (hours, minutes) = match cursor.digit_run() {
        4 => (cursor.digits(2)?, cursor.digits(2)?),
        2 if cursor.peek(2) == Some(b':') => {
            let hours = cursor.digits(2)?;
            cursor.eat(b':')?;
            (hours, u64::from(cursor.two()?))
        }
        2 if !strict => (cursor.digits(2)?, 0),
        _ => return None,
    };
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    (minutes < 60 && seconds <= OFFSET_SECONDS_MAX).then_some(sign * seconds)
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// `None` for a month that is none.
fn days_in_month(year: i32, month: u8) -> Option<u8> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap(year) { 29 } else { 28 }),
        _ => None,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap
/// day is a year's last and months have their lengths by one formula.
fn days_from_1970(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month < 3);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The year, in UTC, that a time lies in.
fn year_of(time: TimestampNs) -> i32 {
    let days = time.get().div_euclid(DAY_NS);
    // From 1677 to 2262: the guess is at most one year off.
    let guess = i32::try_from(1970 + days.div_euclid(365)).unwrap_or(1970);
    (guess - 2..=guess + 1).rev().find(|year| days_from_1970(*year, 1, 1) <= days).unwrap_or(guess)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn days_and_years_are_those_of_the_calendar(ns: i64) {
            let time = TimestampNs(ns);
            let text = time.to_string();
            let part = |range: std::ops::Range<usize>| text[range].parse::<i32>().expect("digits");
            let (year, month, day) = (part(0..4), part(5..7), part(8..10));
            prop_assert_eq!(year_of(time), year);
            let days = days_from_1970(year, month as u8, day as u8);
            prop_assert_eq!(days, ns.div_euclid(DAY_NS));
        }
    }
}
