//! What a plain line says of its own time and level.
//!
//! A pure function of the line and of two clues that no line carries: which zone a time without
//! one is in, and which year a date without one may be in. It reads, and never changes, the line.
//!
//! Being wrong is worse than being silent: a time counts only in a form that some logger writes,
//! near the line's start; a level only where a logger puts it ([`level`] has the rules). There is
//! no state between lines: a form is chosen by the shape of what stands there (how many digits,
//! which mark after them), which costs as little as remembering the form of the line before, and
//! sending a file again recognises the same.

mod civil;
mod cursor;
mod level;
mod named;
mod numeric;

use varve_types::{Level, TimestampNs};

use cursor::Cursor;

/// What a line does not say about its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clues {
    /// Seconds east of UTC of times without a zone.
    pub offset_seconds: i32,
    /// A date without a year is not after this, with a day's grace. When the file was last
    /// written is a good value: unlike the clock, it is the same when the file is sent again.
    pub now: TimestampNs,
}

/// What was recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recognised {
    /// When the line says that it was written.
    pub time: Option<TimestampNs>,
    /// How severe the line says that it is.
    pub level: Option<Level>,
}

/// A time in a line: its value and the bytes that it takes.
#[derive(Clone, Copy, Debug)]
struct Found {
    time: TimestampNs,
    start: usize,
    end: usize,
    form: Form,
}

/// Forms after which a level has a place of its own, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `03-17 16:13:38.811`, after which come process, thread and a letter.
    Android,
    /// `I0102 15:04:05.678`, whose first letter is the level.
    Glog,
    /// `[22/Jan/2019:03:56:14 +0330]`, in lines without a level.
    Access,
    /// Any other.
    Other,
}

/// How sure the place makes us: forms that could be anything count only at a line's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Within,
}

/// A time may begin within this many bytes.
const TIME_WITHIN_BYTES: usize = 64;
/// An access log's time may begin within this many bytes: names of hosts and users precede it.
const ACCESS_TIME_WITHIN_BYTES: usize = 256;

/// Time and level of one line without its terminator.
///
/// ```
/// use varve_client::recognise::{Clues, recognise};
/// use varve_types::{Level, TimestampNs};
///
/// let clues = Clues { offset_seconds: 0, now: TimestampNs(0) };
/// let line = b"2015-10-18 18:01:47,978 WARN [main] disk is slow";
/// let found = recognise(line, &clues);
/// assert_eq!(found.time.unwrap().to_string(), "2015-10-18T18:01:47.978Z");
/// assert_eq!(found.level, Some(Level::Warn));
/// ```
#[must_use]
pub fn recognise(line: &[u8], clues: &Clues) -> Recognised {
    let (start, priority) = skip_prefix(line);
    let found = find_time(line, start, clues);
    let level = priority.or_else(|| level::find(line, start, found.as_ref()));
    Recognised { time: found.map(|found| found.time), level }
}

/// The time that the whole of a text is, for fields that hold a time alone.
#[must_use]
pub fn whole_time(text: &str, clues: &Clues) -> Option<TimestampNs> {
    let line = text.as_bytes();
    time_at(line, 0, Place::Start, clues)
        .filter(|found| found.end == line.len())
        .map(|found| found.time)
}

fn find_time(line: &[u8], start: usize, clues: &Clues) -> Option<Found> {
    if let Some(found) = time_at(line, start, Place::Start, clues) {
        return Some(found);
    }
    // A bracket, or Cisco's mark of a clock that is not synchronised.
    if matches!(line.get(start), Some(b'[' | b'*' | b'.'))
        && let Some(found) = time_at(line, start + 1, Place::Start, clues)
    {
        return Some(found);
    }
    if let Some(found) = numeric::cluster_epoch(line, start) {
        return Some(found);
    }
    let head = line.get(..TIME_WITHIN_BYTES.min(line.len())).unwrap_or_default();
    for (at, pair) in head.windows(2).enumerate() {
        let [before, first] = [pair[0], pair[1]];
        if b" [(\"'=|\t,;:>".contains(&before)
            && first.is_ascii_alphanumeric()
            && let Some(found) = time_at(line, at + 1, Place::Within, clues)
        {
            return Some(found);
        }
    }
    let head = line.get(..ACCESS_TIME_WITHIN_BYTES.min(line.len())).unwrap_or_default();
    let bracket = memchr::memchr(b'[', head)?;
    time_at(line, bracket + 1, Place::Within, clues).filter(|found| found.form == Form::Access)
}

/// The time that begins exactly here.
fn time_at(line: &[u8], start: usize, place: Place, clues: &Clues) -> Option<Found> {
    let mut cursor = Cursor::new(line, start);
    let (time, form) = match cursor.peek(0)? {
        b'0'..=b'9' => numeric::read(&mut cursor, place, clues)?,
        b'A'..=b'Z' => named::read(&mut cursor, place, clues)?,
        _ => return None,
    };
    if cursor.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Found { time, start, end: cursor.at(), form })
}

/// Where the line's own text begins: after a byte order mark, colours, and syslog's `<34>1 ` or
/// `<34>`, whose number tells a level.
fn skip_prefix(line: &[u8]) -> (usize, Option<Level>) {
    let mut start = if line.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    while let Some(after) = skip_colour(line, start) {
        start = after;
    }
    let mut cursor = Cursor::new(line, start);
    if cursor.eat(b'<').is_some()
        && let count @ 1..=3 = cursor.digit_run()
        && let Some(priority @ 0..192) = cursor.digits(count)
        && cursor.eat(b'>').is_some()
    {
        let mut versioned = cursor;
        if versioned.eat(b'1').is_some() && versioned.eat(b' ').is_some() {
            cursor = versioned;
        }
        let level = match priority % 8 {
            0..=2 => Level::Fatal,
            3 => Level::Error,
            4 => Level::Warn,
            5 | 6 => Level::Info,
            _ => Level::Debug,
        };
        return (cursor.at(), Some(level));
    }
    (start, None)
}

/// After a terminal's colour (`ESC [ 3 2 m`) that begins here, if one does.
fn skip_colour(line: &[u8], start: usize) -> Option<usize> {
    let rest = line.get(start..)?.strip_prefix(b"\x1b[")?;
    let codes = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
    (rest.get(codes) == Some(&b'm')).then_some(start + 2 + codes + 1)
}
