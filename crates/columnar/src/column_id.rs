//! Which column: the fixed ones, and one per attribute name and kind of value.

use std::fmt;
use std::sync::Arc;

use varve_types::ValueKind;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A column's identity. The order is that of the columns in a footer: fixed ones first, then
/// attributes by name, so that a record's attributes come out sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnId {
    /// When the event happened: nanoseconds. Every row has one.
    Timestamp,
    /// Who logged it: UTF-8, always a dictionary. Every row has one.
    Service,
    /// The level's number. Every row has one.
    Level,
    /// The level's spelling where it is not a known one: UTF-8.
    LevelText,
    /// The line: any bytes. Every row has one, maybe empty.
    Message,
    /// The resource set in its canonical encoding, always a dictionary. No row with an empty set
    /// has one.
    Resource,
    /// The tenant's number. Rows of tenant 0 have none.
    Tenant,
    /// In segments: the index of the row's log entry, the u64's bits as an i64. Every row has one.
    Index,
    /// In segments: the row's number in its block. Every row has one.
    Row,
    /// In segments: the leader's stamp of arrival, nanoseconds. Every row has one.
    CreatedAt,
    /// An attribute with values of one kind.
    Attribute {
        /// The attribute's name.
        name: Arc<str>,
        /// The kind of its values in this column.
        kind: ValueKind,
    },
}

/// How a column's values are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnClass {
    /// Signed 64-bit numbers: [`crate::Column::Ints`].
    Ints,
    /// Byte strings: [`crate::Column::Bytes`] or, where that is shorter, [`crate::Column::Dict`].
    Bytes,
    /// Nothing but presence: [`crate::Column::Unit`].
    Unit,
}

/// Digests of version 1 of the format are seeded with this; another version needs another.
const COLUMN_SEED_V1: u64 = 0x5641_5256_4500_0002;

/// Attributes are stored under this plus their kind's number.
const ATTRIBUTE_TAG: u8 = 16;

impl ColumnId {
    /// The fixed columns, in order of their tags.
    pub(crate) const FIXED: [Self; 10] = [
        Self::Timestamp,
        Self::Service,
        Self::Level,
        Self::LevelText,
        Self::Message,
        Self::Resource,
        Self::Tenant,
        Self::Index,
        Self::Row,
        Self::CreatedAt,
    ];

    /// Whether its values are part of the record, not of the record's place in the store.
    #[must_use]
    pub const fn is_of_record(&self) -> bool {
        !matches!(self, Self::Tenant | Self::Index | Self::Row | Self::CreatedAt)
    }

    /// The number under which footers store the column; attributes add their name.
    pub(crate) const fn tag(&self) -> u8 {
        match self {
            Self::Timestamp => 0,
            Self::Service => 1,
            Self::Level => 2,
            Self::LevelText => 3,
            Self::Message => 4,
            Self::Resource => 5,
            Self::Tenant => 6,
            Self::Index => 7,
            Self::Row => 8,
            Self::CreatedAt => 9,
            Self::Attribute { kind, .. } => ATTRIBUTE_TAG + kind.number(),
        }
    }

    /// The kind of attribute stored under a tag, or `None` for another tag.
    pub(crate) fn attribute_kind(tag: u8) -> Option<ValueKind> {
        tag.checked_sub(ATTRIBUTE_TAG).and_then(ValueKind::from_number)
    }

    /// The identity as a number, which seeds the digests of the column's cells. It never changes.
    #[must_use]
    pub fn seed(&self) -> u64 {
        let mut identity = vec![self.tag()];
        if let Self::Attribute { name, .. } = self {
            identity.extend_from_slice(name.as_bytes());
        }
        xxh3_64_with_seed(&identity, COLUMN_SEED_V1)
    }

    /// How the column's values are held.
    #[must_use]
    pub const fn class(&self) -> ColumnClass {
        match self {
            Self::Timestamp
            | Self::Level
            | Self::Tenant
            | Self::Index
            | Self::Row
            | Self::CreatedAt => ColumnClass::Ints,
            Self::Service | Self::LevelText | Self::Message | Self::Resource => ColumnClass::Bytes,
            Self::Attribute { kind, .. } => match kind {
                ValueKind::Null | ValueKind::EmptyObject => ColumnClass::Unit,
                ValueKind::Bool | ValueKind::Int | ValueKind::Float => ColumnClass::Ints,
                ValueKind::Number | ValueKind::Text | ValueKind::Bytes | ValueKind::Array => {
                    ColumnClass::Bytes
                }
            },
        }
    }

    /// How many low bytes of a number its digest takes, or `None` for a column that is not part
    /// of a row's content: its place in the log, which digests are weighted by.
    pub(crate) const fn digest_int_bytes(&self) -> Option<usize> {
        match self {
            Self::Index | Self::Row | Self::CreatedAt => None,
            Self::Level | Self::Attribute { kind: ValueKind::Bool, .. } => Some(1),
            Self::Tenant => Some(4),
            _ => Some(8),
        }
    }

    /// Whether every row of a table has a value in this column.
    pub(crate) const fn is_always_present(&self, segment: bool) -> bool {
        match self {
            Self::Timestamp | Self::Service | Self::Level | Self::Message => true,
            Self::Index | Self::Row | Self::CreatedAt => segment,
            _ => false,
        }
    }
}

impl fmt::Display for ColumnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Timestamp => "timestamp",
            Self::Service => "service",
            Self::Level => "level",
            Self::LevelText => "level_text",
            Self::Message => "message",
            Self::Resource => "resource",
            Self::Tenant => "tenant",
            Self::Index => "index",
            Self::Row => "row",
            Self::CreatedAt => "created_at",
            Self::Attribute { name, kind } => {
                return write!(f, "attribute {name:?} ({kind:?})");
            }
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_number_the_fixed_columns_in_order() {
        for (number, column) in ColumnId::FIXED.iter().enumerate() {
            assert_eq!(usize::from(column.tag()), number);
        }
        assert!(ColumnId::FIXED.is_sorted());
        assert!(ColumnId::FIXED.len() <= usize::from(ATTRIBUTE_TAG));
    }

    #[test]
    fn seeds_never_change() {
        let attribute = ColumnId::Attribute { name: "user_id".into(), kind: ValueKind::Text };
        assert_eq!(
            [ColumnId::Timestamp.seed(), ColumnId::Message.seed(), attribute.seed()],
            [4_325_584_566_640_781_510, 6_727_998_904_043_109_523, 10_677_437_656_387_952_880]
        );
    }
}
