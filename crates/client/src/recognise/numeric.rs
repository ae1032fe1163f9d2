//! Forms of time that begin with a digit, told apart by how many digits there are and by the mark
//! after them.

use varve_types::TimestampNs;

use super::civil::{Day, TimeOfDay, fraction};
use super::cursor::Cursor;
use super::{Clues, Form, Found, Place};

type Time = Option<TimestampNs>;

/// Seconds from September 2001 to January 2038: ten digits that are hardly anything else.
const EPOCH_SECONDS: std::ops::Range<u64> = 1_000_000_000..2_147_483_648;

pub(super) fn read(
    cursor: &mut Cursor<'_>,
    place: Place,
    clues: &Clues,
) -> Option<(TimestampNs, Form)> {
    let run = cursor.digit_run();
    let mark = cursor.peek(run);
    let other = |time: Time| time.map(|time| (time, Form::Other));
    match (run, mark, place) {
        (4, Some(b'-' | b'/' | b'.'), _) => other(year_first(cursor, clues)),
        (8, Some(b'T' | b'-' | b' '), _) => other(compact(cursor, clues)),
        (2, Some(b'/'), _) => day_or_short_year(cursor, place, clues),
        (2, Some(b'-'), _) => day_or_month(cursor, place, clues),
        (2, Some(b'.'), _) => other(dotted(cursor, place, clues)),
        (1..=2, Some(b' '), _) => other(day_month_year(cursor, clues)),
        (6, Some(b' '), Place::Start) => other(six_and_six(cursor, clues)),
        (10 | 13 | 16 | 19, _, _) => other(epoch(cursor, run, place)),
        _ => None,
    }
}

/// `2017-05-16 00:00:00.008`, also with `/` or `.` in the date, `T`, `_` or `-` before the time
/// (`2005-06-03-15.42.50.675872`), a fraction after a dot or a comma, and a zone.
fn year_first(cursor: &mut Cursor<'_>, clues: &Clues) -> Time {
    let year = cursor.year()?;
    let mark = cursor.eat_any(b"-/.")?;
    let month = cursor.two()?;
    cursor.eat(mark)?;
    let day = Day::new(year, month, cursor.two()?);
    let between: &[u8] = match cursor.eat_any(b" Tt-")? {
        b'-' => b".:",
        b' ' => {
            cursor.blanks();
            b":"
        }
        _ => b":",
    };
    let time = TimeOfDay::read(cursor, between)?;
    let time = time.with_fraction(cursor, b".,").with_zone(cursor);
    day.at(time, clues)
}

/// `20171223-22:15:29:606` (also unpadded: `20171223-0:5:9:6`), `20171223T221529.606Z`, `20171223 22:15:29`.
fn compact(cursor: &mut Cursor<'_>, clues: &Clues) -> Time {
    let year = i32::try_from(cursor.digits(4)?).ok()?;
    let month = u8::try_from(cursor.digits(2)?).ok()?;
    let day = Day::new(year, month, cursor.two()?);
    let mark = cursor.eat_any(b"T- ")?;
    let time = if cursor.digit_run() == 6 {
        TimeOfDay::read_compact(cursor)?
    } else if mark == b'-' {
        TimeOfDay::read_unpadded(cursor)?.with_millis(cursor)
    } else {
        TimeOfDay::read(cursor, b":")?
    };
    day.at(time.with_fraction(cursor, b".,").with_zone(cursor), clues)
}

/// `22/Jan/2019:03:56:14 +0330` of access logs, or `17/06/09 20:10:40` of Spark, year first.
fn day_or_short_year(
    cursor: &mut Cursor<'_>,
    place: Place,
    clues: &Clues,
) -> Option<(TimestampNs, Form)> {
    let first = cursor.two()?;
    cursor.eat(b'/')?;
    if let Some(month) = cursor.month_name() {
        cursor.eat(b'/')?;
        let day = Day::new(cursor.year()?, month, first);
        let form = if cursor.eat_any(b": ")? == b':' { Form::Access } else { Form::Other };
        let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".").with_zone(cursor);
        return Some((day.at(time, clues)?, form));
    }
    if place == Place::Within {
        return None;
    }
    let month = cursor.two()?;
    cursor.eat(b'/')?;
    let day = Day::short(first, month, cursor.two()?);
    cursor.eat(b' ')?;
    let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,");
    Some((day.at(time, clues)?, Form::Other))
}

/// `22-Jan-2019 03:56:14.123` of Tomcat, or `03-17 16:13:38.811` of Android.
fn day_or_month(
    cursor: &mut Cursor<'_>,
    place: Place,
    clues: &Clues,
) -> Option<(TimestampNs, Form)> {
    let first = cursor.two()?;
    cursor.eat(b'-')?;
    if let Some(month) = cursor.month_name() {
        cursor.eat(b'-')?;
        let day = Day::new(cursor.year()?, month, first);
        cursor.eat_any(b" T")?;
        let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,").with_zone(cursor);
        return Some((day.at(time, clues)?, Form::Other));
    }
    if place == Place::Within {
        return None;
    }
    let day = Day { year: None, month: first, day: cursor.two()? };
    cursor.eat(b' ')?;
    let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,");
    Some((day.at(time, clues)?, Form::Android))
}

/// `30.10.2019 16:49:06`, day first, or `10.30 16:49:06`, month first, of Proxifier.
fn dotted(cursor: &mut Cursor<'_>, place: Place, clues: &Clues) -> Time {
    let first = cursor.two()?;
    cursor.eat(b'.')?;
    let second = cursor.two()?;
    let day = if cursor.eat(b'.').is_some() {
        Day::new(cursor.year()?, second, first)
    } else if place == Place::Start {
        Day { year: None, month: first, day: second }
    } else {
        return None;
    };
    cursor.eat(b' ')?;
    let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,").with_zone(cursor);
    day.at(time, clues)
}

/// `22 Jan 2019 03:56:14.123`, also with a colon or a comma after the year.
pub(super) fn day_month_year(cursor: &mut Cursor<'_>, clues: &Clues) -> Time {
    let day = cursor.one_or_two()?;
    cursor.eat(b' ')?;
    let month = cursor.month_name()?;
    cursor.eat(b' ')?;
    let day = Day::new(cursor.year()?, month, day);
    cursor.eat_any(b",: ")?;
    cursor.blanks();
    let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,").with_zone(cursor);
    day.at(time, clues)
}

/// `081109 203615` of Hadoop and `081109 20:36:15` of MySQL, year first.
fn six_and_six(cursor: &mut Cursor<'_>, clues: &Clues) -> Time {
    let mut part = || cursor.digits(2).and_then(|number| u8::try_from(number).ok());
    let day = Day::short(part()?, part()?, part()?);
    cursor.eat(b' ')?;
    cursor.blanks();
    let time = if cursor.digit_run() == 6 {
        TimeOfDay::read_compact(cursor)?
    } else {
        TimeOfDay::read(cursor, b":")?
    };
    day.at(time, clues)
}

/// Seconds (with or without a fraction), ms, µs or ns since 1970: at a line's start, or within
/// the `audit(1364481363.243:24287)` of Linux.
fn epoch(cursor: &mut Cursor<'_>, digits: usize, place: Place) -> Time {
    let scale = 10_u64.pow(u32::try_from(19 - digits).ok()?);
    let number = cursor.digits(digits)?;
    if !EPOCH_SECONDS.contains(&(number / (1_000_000_000 / scale))) {
        return None;
    }
    let marked = if digits == 10 { fraction(cursor, b".") } else { None };
    let ended = match place {
        Place::Start => {
            matches!(cursor.peek(0), None | Some(b' ' | b'\t' | b']' | b':' | b',' | b'|' | b';'))
        }
        Place::Within => marked.is_some() && cursor.peek(0) == Some(b':'),
    };
    if !ended {
        return None;
    }
    let ns = i64::try_from(number * scale).ok()?;
    Some(TimestampNs(ns).saturating_add_ns(i64::from(marked.unwrap_or(0))))
}

/// Seconds since 1970 in the logs of supercomputers: the second word, before the same day as
/// `2005.06.03`, or the fifth, between the name of a state and a flag.
pub(super) fn cluster_epoch(line: &[u8], start: usize) -> Option<Found> {
    let head = line.get(start..line.len().min(start + 160))?;
    let mut words = head.split(|byte| *byte == b' ');
    let first = words.next()?;
    let second = words.next()?;
    let third = words.next()?;
    let day = |word: &[u8]| {
        word.len() == 10
            && word.iter().enumerate().all(|(at, byte)| {
                if at == 4 || at == 7 { *byte == b'.' } else { byte.is_ascii_digit() }
            })
    };
    let (word, before) = if day(third) {
        (second, first.len() + 1)
    } else if first.first().is_some_and(u8::is_ascii_digit) && first.iter().all(u8::is_ascii_digit)
    {
        let fourth = words.next()?;
        let fifth = words.next()?;
        matches!(words.next()?, b"0" | b"1").then_some(())?;
        (fifth, first.len() + second.len() + third.len() + fourth.len() + 4)
    } else {
        return None;
    };
    if word.len() != 10 {
        return None;
    }
    let seconds = Cursor::new(word, 0).number(10)?;
    if !EPOCH_SECONDS.contains(&seconds) {
        return None;
    }
    let time = TimestampNs(i64::try_from(seconds * 1_000_000_000).ok()?);
    let start = start + before;
    Some(Found { time, start, end: start + word.len(), form: Form::Other })
}
