//! Why a request was refused: which records, which fields, where in the body, and what to do.

use std::fmt;

/// A refused request: nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct IngestError {
    /// The first refusals, in the order of the records: at least one, at most
    /// [`IngestError::REFUSALS_MAX`].
    pub refusals: Vec<Refusal>,
    /// How many there are in all.
    pub refused: usize,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of wrong: it decides the status of the answer.
    pub kind: ErrorKind,
    /// The record, from 0, or `None` when the request as a whole is meant.
    pub index: Option<usize>,
    /// The field, for example `metadata.a.b`; empty when the record or body as a whole is meant.
    pub field: String,
    /// Where in the (decompressed) body, for protocols that are text.
    pub position: Option<Position>,
    /// What is wrong, as the predicate of a sentence about the field.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// The kinds of refusal that answers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Bad input: 400, `INVALID_ARGUMENT`.
    Invalid,
    /// Past a limit on size: 413, `RESOURCE_EXHAUSTED`. Resending the same does not help.
    TooLarge,
    /// A content type or encoding that is not read here: 415, `UNIMPLEMENTED`.
    UnsupportedMediaType,
}

/// A place in a body of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub byte: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl IngestError {
    /// Refusals listed in one error: enough to see what is wrong, not a copy of the request.
    pub const REFUSALS_MAX: usize = 20;

    /// The kind of the first refusal.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.refusals.first().map_or(ErrorKind::Invalid, |refusal| refusal.kind)
    }

    /// The hint of the first refusal.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.refusals.first().map_or("", |refusal| &refusal.hint)
    }
}

impl From<Refusal> for IngestError {
    fn from(refusal: Refusal) -> Self {
        Self { refusals: vec![refusal], refused: 1 }
    }
}

impl Refusal {
    /// A refusal of the request as a whole.
    #[must_use]
    pub(crate) fn of_request(
        kind: ErrorKind,
        field: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            index: None,
            field: field.to_owned(),
            position: None,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl Position {
    /// The place of a byte in a body.
    #[must_use]
    pub(crate) fn of(body: &[u8], byte: usize) -> Self {
        let before = &body[..byte.min(body.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        // Every byte that does not continue a character begins one.
        let characters = before[line_start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        Self { byte, line: memchr::memchr_iter(b'\n', before).count() + 1, column: characters + 1 }
    }
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.refusals.first() {
            fmt::Display::fmt(first, f)?;
        }
        match self.refused {
            0 | 1 => Ok(()),
            refused => write!(f, " (and {} more)", refused - 1),
        }
    }
}

/// Without the hint, which answers carry beside the message.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.index, self.field.as_str()) {
            (Some(index), "") => write!(f, "records[{index}] {}", self.message)?,
            (Some(index), field) => write!(f, "records[{index}].{field} {}", self.message)?,
            (None, "") => f.write_str(&self.message)?,
            (None, field) => write!(f, "{field} {}", self.message)?,
        }
        match self.position {
            Some(Position { byte, line, column }) => {
                write!(f, " (line {line}, column {column}, byte {byte})")
            }
            None => Ok(()),
        }
    }
}
