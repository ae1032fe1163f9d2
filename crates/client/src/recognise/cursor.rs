//! A place in a line, and the few things that forms of time read from it.
//!
//! Every reader answers `None` and is then thrown away: forms are told apart by trying them, and
//! nothing here allocates.

/// A place in a line. Copy it to try something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(line: &'a [u8], at: usize) -> Self {
        Self { line, at }
    }

    /// Bytes from the line's start.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// The byte `ahead` of this place.
    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        self.line.get(self.at + ahead).copied()
    }

    /// Goes past one byte when it is this one.
    pub(super) fn eat(&mut self, byte: u8) -> Option<()> {
        self.eat_any(&[byte]).map(|_| ())
    }

    /// Goes past one byte when it is any of these.
    pub(super) fn eat_any(&mut self, bytes: &[u8]) -> Option<u8> {
        let found = self.peek(0).filter(|byte| bytes.contains(byte))?;
        self.at += 1;
        Some(found)
    }

    /// Goes past bytes when they are these, whatever their case.
    pub(super) fn eat_word(&mut self, word: &[u8]) -> Option<()> {
        let found = self.rest().get(..word.len())?;
        found.eq_ignore_ascii_case(word).then(|| self.at += word.len())
    }

    /// Goes past as many blanks as there are, and says how many.
    pub(super) fn blanks(&mut self) -> usize {
        let count = self.rest().iter().take_while(|byte| **byte == b' ').count();
        self.at += count;
        count
    }

    /// How many digits follow, at most 20.
    pub(super) fn digit_run(&self) -> usize {
        self.rest().iter().take(20).take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Exactly `count` digits, 19 at most, and no digit after them.
    pub(super) fn number(&mut self, count: usize) -> Option<u64> {
        (self.digit_run() == count).then_some(())?;
        self.digits(count)
    }

    /// The next `count` digits, 19 at most, whatever comes after them.
    pub(super) fn digits(&mut self, count: usize) -> Option<u64> {
        let mut number = 0;
        for byte in self.rest().get(..count)? {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u64::from(byte - b'0');
        }
        self.at += count;
        Some(number)
    }

    /// A number from 0 to 99 in exactly two digits, and no digit after them.
    pub(super) fn two(&mut self) -> Option<u8> {
        self.number(2).and_then(|number| u8::try_from(number).ok())
    }

    /// A number from 0 to 99 in one or two digits.
    pub(super) fn one_or_two(&mut self) -> Option<u8> {
        let count = self.digit_run();
        ((1..=2).contains(&count)).then_some(())?;
        self.digits(count).and_then(|number| u8::try_from(number).ok())
    }

    /// A year in four digits.
    pub(super) fn year(&mut self) -> Option<i32> {
        self.number(4).and_then(|number| i32::try_from(number).ok())
    }

    /// A month's English name in three letters, `Jan` to `Dec`.
    pub(super) fn month_name(&mut self) -> Option<u8> {
        let name = self.rest().get(..3)?;
        let position = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))?;
        self.peek(3).is_none_or(|byte| !byte.is_ascii_alphabetic()).then_some(())?;
        self.at += 3;
        u8::try_from(position + 1).ok()
    }

    /// A day's English name in three letters, `Mon` to `Sun`.
    pub(super) fn weekday_name(&mut self) -> Option<()> {
        let name = self.rest().get(..3)?;
        DAYS.iter().any(|day| name.eq_ignore_ascii_case(day)).then_some(())?;
        self.peek(3).is_none_or(|byte| !byte.is_ascii_alphabetic()).then_some(())?;
        self.at += 3;
        Some(())
    }
}

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const DAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
