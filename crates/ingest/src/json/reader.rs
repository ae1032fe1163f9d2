//! A reader of JSON text that says where it is.
//!
//! Why not serde's: a batch is refused by record, field and byte, so positions must be known
//! everywhere; a number's text must be kept as it was sent; a member that occurs twice must be
//! seen; and a bad record must not stop the ones after it from being checked. What the grammar
//! takes is compared with serde_json's by a property test.

use std::borrow::Cow;

/// A place in JSON text, between two tokens.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// Text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The byte from which it is not.
    pub(crate) at: usize,
    /// What was found or missed there.
    pub(crate) what: &'static str,
}

/// What a value is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Shape {
    /// The shape with its article, for messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        }
    }
}

impl<'a> Reader<'a> {
    /// A reader from byte `at` of the text; positions count from the text's start.
    pub(crate) const fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// The text from a place that was read before up to here.
    pub(crate) fn text_since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Steps over `text` when it comes next, to the letter.
    pub(crate) fn take_exactly(&mut self, text: &str) -> bool {
        let taken = self.text.as_bytes()[self.at..].starts_with(text.as_bytes());
        self.at += if taken { text.len() } else { 0 };
        taken
    }

    pub(super) fn malformed<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, what })
    }

    /// The next byte, nothing skipped.
    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips white space; whether anything follows.
    pub(crate) fn has_more(&mut self) -> bool {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.at < self.text.len()
    }

    /// The shape of the value that comes next. Nothing but white space is read.
    pub(crate) fn shape(&mut self) -> Result<Shape, Malformed> {
        if !self.has_more() {
            return self.malformed("the text ends where a value should be");
        }
        match self.byte() {
            Some(b'{') => Ok(Shape::Object),
            Some(b'[') => Ok(Shape::Array),
            Some(b'"') => Ok(Shape::String),
            Some(b'-' | b'0'..=b'9') => Ok(Shape::Number),
            Some(b't' | b'f') => Ok(Shape::Bool),
            Some(b'n') => Ok(Shape::Null),
            _ => self.malformed("expected a value"),
        }
    }

    /// Reads the bracket that opens an object or an array, which [`Self::shape`] has seen.
    pub(crate) fn open(&mut self) {
        self.at += 1;
    }

    /// The next member's key, up to the colon; `None` after the object's end. `first` is whether
    /// no member has been read yet.
    pub(crate) fn member(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Malformed> {
        if !self.item(first, b'}', "expected `,` or `}` in an object")? {
            return Ok(None);
        }
        if !self.has_more() || self.byte() != Some(b'"') {
            return self.malformed("expected a member's name in double quotes");
        }
        let key = self.string()?;
        if !self.has_more() || self.byte() != Some(b':') {
            return self.malformed("expected `:` after a member's name");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether another element follows; the array's end is read.
    pub(crate) fn element(&mut self, first: bool) -> Result<bool, Malformed> {
        self.item(first, b']', "expected `,` or `]` in an array")
    }

    fn item(&mut self, first: bool, end: u8, what: &'static str) -> Result<bool, Malformed> {
        if !self.has_more() {
            return self.malformed("the text ends inside an object or array");
        }
        match self.byte() {
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            _ if first => Ok(true),
            _ => self.malformed(what),
        }
    }

    /// Steps over one value of any depth, without recursion.
    pub(crate) fn skip(&mut self) -> Result<(), Malformed> {
        // What is open, from the outside in, and whether it still waits for its first item.
        let mut open: Vec<(Shape, bool)> = Vec::new();
        loop {
            match self.shape()? {
                shape @ (Shape::Object | Shape::Array) => {
                    self.open();
                    open.push((shape, true));
                }
                Shape::String => drop(self.string()?),
                Shape::Number => drop(self.number()?),
                Shape::Bool => drop(self.bool()?),
                Shape::Null => self.null()?,
            }
            loop {
                let Some((shape, first)) = open.last_mut() else {
                    return Ok(());
                };
                let first = std::mem::replace(first, false);
                let more = match shape {
                    Shape::Object => self.member(first)?.is_some(),
                    _ => self.element(first)?,
                };
                if more {
                    break;
                }
                open.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> Result<(), Malformed> {
        let mut reader = Reader::new(text, 0);
        reader.skip()?;
        if reader.has_more() { reader.malformed("more follows") } else { Ok(()) }
    }

    fn check(text: &str) {
        let ours = accepts(text);
        // Serde_json's own bound on depth is not the grammar's: texts here stay below it.
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(text);
        let theirs = theirs.and_then(|_| serde_json::from_str::<serde_json::Value>(text));
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?}: {ours:?}, {theirs:?}");
    }

    #[test]
    fn unusual_texts_are_taken_and_refused_as_serde_json_does() {
        for text in [
            "",
            " ",
            "nul",
            "nullx",
            "tru",
            "truefalse",
            "-",
            "-0",
            "00",
            "01",
            "1.",
            ".1",
            "1e",
            "1E+",
            "1e-5",
            "1.5E+07",
            "+1",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "]",
            "{",
            "{}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "{\"a\":1}}",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\ud800x\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\\ud83d\\ude00\"",
            "\"\\u0000\"",
            "\"a\u{1}b\"",
            "\"\u{7f}\"",
            "\"a\nb\"",
            "\u{feff}1",
            "[[[[]]]]",
            "[{\"a\":[{}]}]",
        ] {
            check(text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_as_serde_json_does(
            text in "([\\[\\]{},:\" \\\\a0-]|1|e|\\.|null|true|\"a\":|\\\\u00e9|\\\\ud83d|\"é\"){0,12}",
        ) {
            check(&text);
        }

        #[test]
        fn strings_read_as_serde_json_wrote_them(text: String) {
            let json = serde_json::to_string(&text).expect("a string is JSON");
            prop_assert_eq!(Reader::new(&json, 0).string().expect("reads"), text.as_str());
        }
    }
}
