//! Lines of a stream of bytes.
//!
//! A line is what stands before `\n` or `\r\n`; the terminator is removed and nothing else. The
//! last line needs none. Any bytes are allowed. A line longer than the limit is not kept in
//! memory: it is read past and told by its length.

use std::io::{self, BufRead};
use std::num::NonZeroU64;

use varve_types::limits;

/// A line's place in its stream, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineNumber(NonZeroU64);

impl LineNumber {
    /// The plain number, from 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl std::fmt::Display for LineNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its bytes, at least one, without the terminator.
    Text(&'a [u8]),
    /// Nothing but a terminator.
    Empty,
    /// Longer than [`limits::MESSAGE_BYTES_MAX`].
    TooLong {
        /// How long it is, without the terminator.
        bytes: u64,
    },
}

/// Reads lines one after the other.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    /// What is consumed of the reader only when the next line is asked for.
    consume: usize,
    /// A line that the reader's buffer does not hold at once.
    pieces: Vec<u8>,
    lines: u64,
}

/// A `\r` before the `\n` is no part of the line.
const KEPT_BYTES_MAX: usize = limits::MESSAGE_BYTES_MAX + 1;

impl<R: BufRead> Lines<R> {
    /// Lines of a reader. Its buffer should hold many lines: a line within it is not copied.
    pub const fn new(reader: R) -> Self {
        Self { reader, consume: 0, pieces: Vec::new(), lines: 0 }
    }

    /// The next line, or `None` after the last.
    ///
    /// # Errors
    ///
    /// As the reader; what was read of a line before the error is lost. A reader of live input may
    /// answer `TimedOut` when nothing has come for a while: between lines that is passed on, and
    /// the next call goes on; within a line the rest is waited for.
    pub fn next_line(&mut self) -> io::Result<Option<(LineNumber, Line<'_>)>> {
        self.reader.consume(std::mem::take(&mut self.consume));
        let buffer = fill(&mut self.reader)?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let end = memchr::memchr(b'\n', buffer);
        self.lines += 1;
        let number = LineNumber(NonZeroU64::new(self.lines).expect("BUG: counted from 1"));
        let Some(end) = end else {
            let left_out_bytes = self.gather()?;
            return Ok(Some((number, classify(&self.pieces, left_out_bytes))));
        };
        self.consume = end + 1;
        let line = &fill(&mut self.reader)?[..end];
        Ok(Some((number, classify(line.strip_suffix(b"\r").unwrap_or(line), 0))))
    }

    /// Gathers a line that the reader's buffer does not hold at once, and answers how many of its
    /// bytes were left out because it is too long.
    fn gather(&mut self) -> io::Result<u64> {
        self.pieces.clear();
        let mut left_out_bytes: u64 = 0;
        let mut last = None;
        loop {
            let buffer = fill_at_last(&mut self.reader)?;
            if buffer.is_empty() {
                return Ok(left_out_bytes);
            }
            let end = memchr::memchr(b'\n', buffer);
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let kept = piece.len().min(KEPT_BYTES_MAX - self.pieces.len());
            self.pieces.extend_from_slice(&piece[..kept]);
            left_out_bytes += (piece.len() - kept) as u64;
            last = piece.last().copied().or(last);
            let used = piece.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_none() {
                continue;
            }
            if last == Some(b'\r') && left_out_bytes > 0 {
                left_out_bytes -= 1;
            } else if last == Some(b'\r') {
                self.pieces.pop();
            }
            return Ok(left_out_bytes);
        }
    }
}

fn fill(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // What is buffered already is answered at once.
    reader.fill_buf()
}

/// As [`fill`], however long it takes.
fn fill_at_last(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = fill(reader) {
        if error.kind() != io::ErrorKind::TimedOut {
            return Err(error);
        }
    }
    reader.fill_buf()
}

fn classify(text: &[u8], left_out_bytes: u64) -> Line<'_> {
    if left_out_bytes > 0 || text.len() > limits::MESSAGE_BYTES_MAX {
        Line::TooLong { bytes: text.len() as u64 + left_out_bytes }
    } else if text.is_empty() {
        Line::Empty
    } else {
        Line::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], buffer_bytes: usize) -> Vec<Result<Vec<u8>, u64>> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer_bytes, bytes));
        let mut read = Vec::new();
        while let Some((number, line)) = lines.next_line().expect("reads memory") {
            read.push(match line {
                Line::Text(text) => Ok(text.to_vec()),
                Line::Empty => Ok(Vec::new()),
                Line::TooLong { bytes } => Err(bytes),
            });
            assert_eq!(number.get(), read.len() as u64);
        }
        read
    }

    proptest! {
        #[test]
        fn lines_are_the_pieces_between_terminators(
            pieces in proptest::collection::vec(r"[a\r\x00\xff]{0,6}", 0..20),
            terminated: bool,
            buffer_bytes in 1_usize..9,
        ) {
            let mut text = pieces.join("\n");
            if terminated {
                text.push('\n');
            }
            let mut wanted: Vec<Vec<u8>> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            let unterminated = wanted.pop().expect("splitting answers one at least");
            for line in &mut wanted {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
            }
            if !unterminated.is_empty() {
                wanted.push(unterminated);
            }
            let read: Vec<Vec<u8>> =
                read(text.as_bytes(), buffer_bytes).into_iter().map(Result::unwrap).collect();
            prop_assert_eq!(read, wanted);
        }
    }

    /// Answers one piece a read, and before each that nothing comes. The end is always there.
    struct Halting<'a> {
        pieces: std::slice::Iter<'a, &'static [u8]>,
        halted: bool,
    }

    impl io::Read for Halting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.halted = !self.halted;
            if self.halted && !self.pieces.as_slice().is_empty() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let piece = self.pieces.next().copied().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn silence_is_told_between_lines_and_waited_for_within_one() {
        let pieces: [&[u8]; 4] = [b"one\ntw", b"o", b"\n", b"three"];
        let source = Halting { pieces: pieces.iter(), halted: false };
        let mut lines = Lines::new(BufReader::with_capacity(64, source));
        let mut said = Vec::new();
        loop {
            match lines.next_line() {
                Ok(Some((_, Line::Text(text)))) => said.push(String::from_utf8_lossy(text).into()),
                Ok(Some((_, other))) => panic!("{other:?}"),
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    said.push("silence".to_owned());
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(said, ["silence", "one", "two", "silence", "three"]);
    }

    #[test]
    fn a_line_of_the_longest_length_passes_and_one_byte_more_is_refused() {
        let longest = vec![b'x'; limits::MESSAGE_BYTES_MAX];
        for terminator in ["\n", "\r\n", ""] {
            let bytes = [&longest[..], terminator.as_bytes(), b"after"].concat();
            let first = read(&bytes, 1 << 16).swap_remove(0);
            let joined = if terminator.is_empty() { 5 } else { 0 };
            match first {
                Ok(line) => assert_eq!((line.len(), joined), (longest.len(), 0)),
                Err(bytes) => assert_eq!((bytes, joined), (longest.len() as u64 + 5, 5)),
            }
            let bytes = [&longest[..], b"x", terminator.as_bytes()].concat();
            assert_eq!(read(&bytes, 1 << 16), vec![Err(longest.len() as u64 + 1)]);
        }
    }
}
