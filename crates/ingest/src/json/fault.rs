//! What stops the reading of a record: text that is not JSON, or JSON that is not a record.

use std::borrow::Cow;

use super::reader::Malformed;
use crate::{ErrorKind, IngestError, Position, Refusal};

/// Why a record could not be read.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The text is not JSON: where the record ends is unknown.
    Malformed(Malformed),
    /// The text is JSON: what follows the record can still be read.
    Refused(Box<Fault>),
}

/// A value that a record may not have.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    /// The byte where the value, or the record, begins.
    pub(crate) at: usize,
    pub(crate) field: String,
    pub(crate) message: String,
    pub(crate) hint: Cow<'static, str>,
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Stop {
    /// Bad input in a field.
    pub(crate) fn invalid(
        at: usize,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        let kind = ErrorKind::Invalid;
        let (field, message, hint) = (field.into(), message.into(), hint.into());
        Self::Refused(Box::new(Fault { kind, at, field, message, hint }))
    }

    /// A field that is longer than its limit.
    pub(crate) fn too_long(at: usize, field: &str, bytes: usize, bytes_max: usize) -> Self {
        let message = format!("is {bytes} bytes; at most {bytes_max} are taken");
        Self::invalid(at, field, message, "make it shorter")
    }

    /// The same, with the field's name continued to the left.
    pub(crate) fn within(mut self, outer: impl FnOnce() -> String) -> Self {
        if let Self::Refused(fault) = &mut self {
            fault.field.insert_str(0, &outer());
        }
        self
    }

    /// The error of a request with this in one of its parameters.
    pub(crate) fn into_parameter_error(self) -> IngestError {
        Refusal { position: None, ..self.into_refusal(&[], None) }.into()
    }

    /// The refusal of a record for this, or of the whole body when no record is meant.
    pub(crate) fn into_refusal(self, body: &[u8], index: Option<usize>) -> Refusal {
        match self {
            Self::Malformed(Malformed { at, what }) => Refusal {
                kind: ErrorKind::Invalid,
                index,
                field: if index.is_some() { String::new() } else { "body".to_owned() },
                position: Some(Position::of(body, at)),
                message: format!("is not JSON: {what}"),
                hint: "correct the JSON at this position".to_owned(),
            },
            Self::Refused(fault) => Refusal {
                kind: fault.kind,
                index,
                field: fault.field,
                position: Some(Position::of(body, fault.at)),
                message: fault.message,
                hint: fault.hint.into_owned(),
            },
        }
    }
}
