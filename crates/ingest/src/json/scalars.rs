//! Strings, numbers and literals of JSON text: the part of the reader that knows their grammar.

use std::borrow::Cow;

use super::reader::{Malformed, Reader};

impl<'a> Reader<'a> {
    /// A string, whose opening quote [`Self::shape`] has seen; borrowed when nothing in it is
    /// escaped.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.at += 1;
        let first = self.plain_run()?;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(first));
        }
        let mut unescaped = String::with_capacity(first.len() + 32);
        unescaped.push_str(first);
        while self.byte() == Some(b'\\') {
            unescaped.push(self.escape()?);
            unescaped.push_str(self.plain_run()?);
        }
        self.at += 1;
        Ok(Cow::Owned(unescaped))
    }

    /// The text up to the next quote or backslash.
    fn plain_run(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
        self.at += end.unwrap_or(rest.len());
        match self.byte() {
            Some(b'"' | b'\\') => Ok(self.text_since(start)),
            Some(_) => self.malformed("a control character inside a string must be escaped"),
            None => self.malformed("the text ends inside a string"),
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let start = self.at;
        self.at += 1;
        let escaped = match self.byte() {
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(Malformed { at: start, what: "not an escape that JSON has" }),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// The character of `\uXXXX`, or of two of them that are a pair of surrogates.
    fn unicode_escape(&mut self, start: usize) -> Result<char, Malformed> {
        let lone =
            Malformed { at: start, what: "half of a surrogate pair stands for no character" };
        let high = self.hex()?;
        let code = match high {
            0xD800..=0xDBFF if self.take_exactly("\\u") => match self.hex()? {
                low @ 0xDC00..=0xDFFF => 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00),
                _ => return Err(lone),
            },
            code => code,
        };
        char::from_u32(code).ok_or(lone)
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.byte().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.malformed("expected four hexadecimal digits after `\\u`");
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// A number, whose first byte [`Self::shape`] has seen, as it is written.
    pub(crate) fn number(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.byte() {
                return self.malformed("a number does not begin with 0");
            }
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.text_since(start))
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        if !matches!(self.byte(), Some(b'0'..=b'9')) {
            return self.malformed("expected a digit");
        }
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        Ok(())
    }

    /// `true` or `false`, whose first byte [`Self::shape`] has seen.
    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        if self.take_exactly("true") {
            Ok(true)
        } else if self.take_exactly("false") {
            Ok(false)
        } else {
            self.malformed("expected a value")
        }
    }

    /// `null`, whose first byte [`Self::shape`] has seen.
    pub(crate) fn null(&mut self) -> Result<(), Malformed> {
        if self.take_exactly("null") { Ok(()) } else { self.malformed("expected a value") }
    }
}
