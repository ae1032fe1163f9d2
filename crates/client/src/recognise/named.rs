//! Forms of time that begin with a name: of a weekday, of a month, or glog's letter.

use varve_types::TimestampNs;

use super::civil::{Day, TimeOfDay};
use super::cursor::Cursor;
use super::{Clues, Form, Place, numeric};

type Time = Option<TimestampNs>;

pub(super) fn read(
    cursor: &mut Cursor<'_>,
    place: Place,
    clues: &Clues,
) -> Option<(TimestampNs, Form)> {
    let other = |time: Time| time.map(|time| (time, Form::Other));
    if cursor.peek(1)?.is_ascii_digit() {
        return if place == Place::Start { glog(cursor, clues) } else { None };
    }
    if cursor.weekday_name().is_some() {
        return other(after_weekday(cursor, clues));
    }
    let month = cursor.month_name()?;
    other(after_month(cursor, month, place, clues))
}

/// `I0102 15:04:05.678901`.
fn glog(cursor: &mut Cursor<'_>, clues: &Clues) -> Option<(TimestampNs, Form)> {
    cursor.eat_any(b"IWEFD")?;
    (cursor.digit_run() == 4).then_some(())?;
    let month = u8::try_from(cursor.digits(2)?).ok()?;
    let day = Day { year: None, month, day: cursor.two()? };
    cursor.eat(b' ')?;
    let time = TimeOfDay::read(cursor, b":")?;
    (cursor.peek(0) == Some(b'.')).then_some(())?;
    let time = time.with_fraction(cursor, b".");
    Some((day.at(time, clues)?, Form::Glog))
}

/// `Thu Jun 09 06:07:04 2005`, with a fraction before the year (Apache) or a zone (date(1)), and
/// `Thu, 09 Jun 2005 06:07:04 +0000`.
fn after_weekday(cursor: &mut Cursor<'_>, clues: &Clues) -> Time {
    if cursor.eat(b',').is_some() {
        cursor.eat(b' ')?;
        return numeric::day_month_year(cursor, clues);
    }
    cursor.eat(b' ')?;
    cursor.blanks();
    let month = cursor.month_name()?;
    cursor.blanks();
    let day = cursor.one_or_two()?;
    cursor.eat(b' ')?;
    let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,").with_zone(cursor);
    cursor.eat(b' ')?;
    Day::new(cursor.year()?, month, day).at(time, clues)
}

/// `Jun 14 15:16:01` of syslog, `Jun 14 2005 15:16:01` and `Jan 22, 2019 3:56:14 AM`.
fn after_month(cursor: &mut Cursor<'_>, month: u8, place: Place, clues: &Clues) -> Time {
    if cursor.blanks() == 0 {
        return None;
    }
    let day = cursor.one_or_two()?;
    cursor.eat(b',');
    cursor.eat(b' ')?;
    if cursor.digit_run() == 4 {
        let day = Day::new(cursor.year()?, month, day);
        cursor.eat(b',');
        cursor.eat(b' ')?;
        let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,");
        return day.at(time.with_half(cursor).with_zone(cursor), clues);
    }
    if place == Place::Within {
        return None;
    }
    let time = TimeOfDay::read(cursor, b":")?.with_fraction(cursor, b".,");
    Day { year: None, month, day }.at(time, clues)
}
