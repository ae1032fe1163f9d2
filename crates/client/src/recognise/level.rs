//! Where a line says its level.
//!
//! The first of these that stands within the line's first bytes:
//!
//! - glog's and Android's letter, and MongoDB's after the time;
//! - a word of the table of spellings in capitals, standing free: `ERROR`, `INFO:`, `|WARN|`;
//! - one in brackets, in any case: `[error]`, `[info ]`, `<Error>`, `[core:warn]`;
//! - one after a key: `level=error`, `"severity": "warning"`;
//! - one that the line, or the text after its time, begins with, when a mark, a tab or two blanks
//!   follow: `, Info      CBS`, `warning: unused`.
//!
//! So `error` inside prose is none, and neither is the method of a request in an access log.

use varve_types::Level;

use super::{Form, Found, skip_colour};

/// Loggers put their level within this many bytes.
const LEVEL_WITHIN_BYTES: usize = 128;

/// The level of a line whose own text begins at `start`.
pub(super) fn find(line: &[u8], start: usize, time: Option<&Found>) -> Option<Level> {
    match time.map(|time| time.form) {
        Some(Form::Access) => return None,
        Some(Form::Glog) => return letter(time.and_then(|time| line.get(time.start))),
        Some(Form::Android) => {
            if let Some(level) = android(line, time) {
                return Some(level);
            }
        }
        Some(Form::Other) => {
            if let Some(level) = component_letter(line, time) {
                return Some(level);
            }
        }
        None => {
            if let Some(level) = tag_letter(line.get(start..)?) {
                return Some(level);
            }
        }
    }
    Words::new(line, start, time).find_map(|word| word.level())
}

fn letter(byte: Option<&u8>) -> Option<Level> {
    let letter = byte.filter(|byte| b"VTDIWEFC".contains(byte))?;
    Level::from_spelling(std::str::from_utf8(std::slice::from_ref(letter)).ok()?)
}

/// `  1702  2395 D Tag:` after the time, or `D/Tag( 1702):`.
fn android(line: &[u8], time: Option<&Found>) -> Option<Level> {
    let rest = line.get(time?.end..)?.trim_ascii_start();
    if let Some(level) = tag_letter(rest) {
        return Some(level);
    }
    let number = |rest: &mut &[u8]| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = rest.get(digits..)?;
        (digits > 0 && after.first() == Some(&b' ')).then(|| *rest = after.trim_ascii_start())
    };
    let mut rest = rest;
    number(&mut rest)?;
    number(&mut rest)?;
    (rest.get(1) == Some(&b' ')).then(|| letter(rest.first())).flatten()
}

/// `D/Tag( 1702):`.
fn tag_letter(rest: &[u8]) -> Option<Level> {
    let level = letter(rest.first())?;
    (rest.get(1) == Some(&b'/')).then_some(())?;
    let tag = rest.get(2..rest.len().min(64))?;
    let open = memchr::memchr(b'(', tag)?;
    let inner = tag.get(open + 1..)?.trim_ascii_start();
    let digits = inner.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0 && inner.get(digits) == Some(&b')')).then_some(level)
}

/// ` I NETWORK  [conn1]` after the time.
fn component_letter(line: &[u8], time: Option<&Found>) -> Option<Level> {
    let rest = line.get(time?.end..)?.strip_prefix(b" ")?;
    let level = letter(rest.first())?;
    let name = rest.get(1..)?.strip_prefix(b" ")?;
    let capitals = name.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    (capitals >= 3 && name.get(capitals) == Some(&b' ')).then_some(level)
}

/// The runs of letters of a line's head, from the left, the time left out.
struct Words<'a> {
    line: &'a [u8],
    at: usize,
    end: usize,
    skip: std::ops::Range<usize>,
    /// Only marks and at most one number since the line's start or the time.
    first: bool,
    numbers: u8,
}

/// One run of letters with what stands around it.
struct Word<'a> {
    line: &'a [u8],
    start: usize,
    end: usize,
    first: bool,
}

impl<'a> Words<'a> {
    fn new(line: &'a [u8], start: usize, time: Option<&Found>) -> Self {
        let skip = time.map_or(0..0, |time| time.start..time.end);
        let end = line.len().min(start + LEVEL_WITHIN_BYTES);
        Self { line, at: start, end, skip, first: true, numbers: 0 }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        while self.at < self.end {
            if self.skip.contains(&self.at) {
                self.at = self.skip.end;
                (self.first, self.numbers) = (true, 0);
                continue;
            }
            let byte = *self.line.get(self.at)?;
            if byte.is_ascii_alphabetic() {
                let start = self.at;
                let letters = self.line.get(start..)?;
                let count = letters.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                let limit = if self.skip.start > start { self.skip.start } else { usize::MAX };
                self.at = (start + count).min(limit);
                let first = std::mem::replace(&mut self.first, false);
                return Some(Word { line: self.line, start, end: self.at, first });
            }
            if byte.is_ascii_digit() {
                let rest = self.line.get(self.at..)?;
                self.at += rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.numbers = self.numbers.saturating_add(1);
                self.first &= self.numbers < 2;
                continue;
            }
            if byte == 0x1b
                && let Some(after) = skip_colour(self.line, self.at)
            {
                self.at = after;
                continue;
            }
            self.first &= b" ,-|[]:\t)(*<".contains(&byte);
            self.at += 1;
        }
        None
    }
}

impl Word<'_> {
    fn level(&self) -> Option<Level> {
        let word = self.line.get(self.start..self.end)?;
        if !(3..=13).contains(&word.len()) || !b"TVFDICNLWESAPUtvfdicnlwesapu".contains(&word[0]) {
            return None;
        }
        let level = Level::from_spelling(std::str::from_utf8(word).ok()?)?;
        let capitals = word.iter().all(u8::is_ascii_uppercase);
        let said = if is_common_word(word) {
            let labelled = self.after() == Some(b':') && level != Level::Fatal;
            (capitals && (self.first || labelled) && self.is_free())
                || (level == Level::Fatal && self.is_bracketed())
        } else {
            (capitals && self.is_free() && !self.is_request())
                || self.is_bracketed()
                || self.is_opening()
        };
        (said || self.has_key()).then_some(level)
    }

    fn before(&self) -> Option<u8> {
        self.start.checked_sub(1).and_then(|at| self.line.get(at)).copied()
    }

    fn after(&self) -> Option<u8> {
        self.line.get(self.end).copied()
    }

    /// Marks, blanks or nothing on both sides; a colour before counts as nothing.
    fn is_free(&self) -> bool {
        let opens = match self.before() {
            None => true,
            Some(b'm') => false,
            Some(byte) => b" \t[(<|\"'=:,;>]})-*".contains(&byte),
        };
        let coloured = self.before() == Some(b'm') && self.line[..self.start].contains(&0x1b);
        let closes = match self.after() {
            None => true,
            Some(byte) => b" \t])>|:,\"'=;[(}-\x1b".contains(&byte),
        };
        (opens || coloured) && closes
    }

    /// `TRACE /path`: a request's method.
    fn is_request(&self) -> bool {
        self.line.get(self.end..self.end + 2) == Some(b" /")
    }

    /// `[error]`, `[info ]`, `<Error>`, `[core:error]`.
    fn is_bracketed(&self) -> bool {
        let rest = self.line.get(self.end..).unwrap_or_default();
        let close = rest.trim_ascii_start().first().copied();
        match (self.before(), close) {
            (Some(b'['), Some(b']')) => true,
            (Some(b'<'), Some(b'>')) => {
                rest.first() == Some(&b'>') && matches!(rest.get(1), Some(b':' | b' '))
            }
            (Some(b':'), Some(b']')) => {
                let module = self.line.get(..self.start - 1).unwrap_or_default();
                let name =
                    |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
                let length = module.iter().rev().take_while(|byte| name(byte)).count();
                length > 0 && length < module.len() && module[module.len() - length - 1] == b'['
            }
            _ => false,
        }
    }

    /// The first word of the line or after its time, with a mark, a tab or two blanks after it.
    fn is_opening(&self) -> bool {
        let rest = self.line.get(self.end..).unwrap_or_default();
        self.first
            && (matches!(rest.first(), Some(b'\t' | b'|'))
                || rest.starts_with(b"  ")
                || rest.starts_with(b": "))
    }

    /// `level=error`, `"level": "error"`.
    fn has_key(&self) -> bool {
        let ends = self
            .after()
            .is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"_-.".contains(&byte));
        let head = self.line.get(..self.start).unwrap_or_default();
        let (head, quoted) = match head.strip_suffix(b"\"") {
            Some(head) => (head, true),
            None => (head, false),
        };
        let key = if let Some(key) = head.strip_suffix(b"=") {
            Some(key)
        } else if quoted {
            head.trim_ascii_end()
                .strip_suffix(b":")
                .and_then(|key| key.trim_ascii_end().strip_suffix(b"\""))
        } else {
            None
        };
        ends && key.is_some_and(|key| {
            KEYS.iter().any(|name| {
                let tail = key.len().checked_sub(name.len()).and_then(|at| key.get(at..));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(name))
            })
        })
    }
}

const KEYS: [&[u8]; 3] = [b"level", b"lvl", b"severity"];

/// Spellings that are also ordinary words, or stand in brackets for something else.
fn is_common_word(word: &[u8]) -> bool {
    [&b"log"[..], b"config", b"fine", b"unknown", b"alert"]
        .iter()
        .any(|common| word.eq_ignore_ascii_case(common))
}
