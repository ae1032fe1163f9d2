//! One log event, as it was sent and as it comes back.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Level, TimestampNs};

/// One log event.
///
/// What a client sent and what a query answers are the same value, but for the two times that
/// the server may add: `timestamp`, when the client gave none, and the stamp of arrival, which
/// travels beside the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// When the event happened. `None` means the client did not say: the gateway then fills in
    /// the time of receipt, after the batch digest has been computed.
    pub timestamp: Option<TimestampNs>,
    /// Who logged it. Never empty; at most [`crate::limits::SERVICE_BYTES_MAX`] bytes.
    pub service: Arc<str>,
    /// How severe it is.
    pub level: Level,
    /// The level as it was spelled, where [`Level::from_spelling`] does not know the spelling.
    pub level_text: Option<Arc<str>>,
    /// The line. Any bytes, not always UTF-8.
    pub message: Bytes,
    /// Who emitted it: host, pod, environment. Shared by many records, hence the `Arc`.
    pub resource: Arc<Resource>,
    /// About this event: request id, trace id. Sorted by name, names are unique.
    pub attributes: Vec<Attribute>,
}

/// The resource attributes of a record, sorted by name; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource(pub Vec<Attribute>);

/// A named value. The name of a nested JSON member is its path joined with dots; a dot (or a
/// backslash) inside a member's own name is escaped with a backslash.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// At most [`crate::limits::ATTRIBUTE_NAME_BYTES_MAX`] bytes.
    pub name: Arc<str>,
    /// The value with the type that was sent.
    pub value: Value,
}

/// An attribute's value, with the type it was sent in, so that it comes back the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON null.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number whose text is what `i64` prints.
    Int(i64),
    /// A double. From JSON only where its text is what Rust prints for the double (`{:?}`).
    Float(f64),
    /// A JSON number kept as the text it was sent in, because neither of the above prints it.
    Number(Arc<str>),
    /// A string.
    Text(Arc<str>),
    /// Bytes, from protocols that have them.
    Bytes(Bytes),
    /// An empty JSON object, which has no members to become attributes of their own.
    EmptyObject,
    /// A JSON array, kept as the text it was sent in.
    Array(Arc<str>),
}

/// Which of the variants of [`Value`] a column holds. One attribute name with values of two
/// kinds is two columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ValueKind {
    /// [`Value::Null`].
    Null = 0,
    /// [`Value::Bool`].
    Bool = 1,
    /// [`Value::Int`].
    Int = 2,
    /// [`Value::Float`].
    Float = 3,
    /// [`Value::Number`].
    Number = 4,
    /// [`Value::Text`].
    Text = 5,
    /// [`Value::Bytes`].
    Bytes = 6,
    /// [`Value::EmptyObject`].
    EmptyObject = 7,
    /// [`Value::Array`].
    Array = 8,
}

impl Value {
    /// The kind of this value.
    #[must_use]
    pub const fn kind(&self) -> ValueKind {
        match self {
            Self::Null => ValueKind::Null,
            Self::Bool(_) => ValueKind::Bool,
            Self::Int(_) => ValueKind::Int,
            Self::Float(_) => ValueKind::Float,
            Self::Number(_) => ValueKind::Number,
            Self::Text(_) => ValueKind::Text,
            Self::Bytes(_) => ValueKind::Bytes,
            Self::EmptyObject => ValueKind::EmptyObject,
            Self::Array(_) => ValueKind::Array,
        }
    }
}

impl ValueKind {
    const ALL: [Self; 9] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Float,
        Self::Number,
        Self::Text,
        Self::Bytes,
        Self::EmptyObject,
        Self::Array,
    ];

    /// The number under which formats store the kind.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind stored under a number, or `None` for a number that no kind has.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
