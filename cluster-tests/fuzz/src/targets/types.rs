//! Texts that name something: records, batches, times, levels.

use varve_types::{BatchKey, Level, RecordId, TenantId, TimestampNs};

use crate::{Memory, Target};

/// A text, read as each of them.
pub(super) const IDENTIFIERS: Target = Target {
    name: "identifiers",
    run: |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Ok(id) = text.parse::<RecordId>() {
            assert_eq!(id.to_string(), text, "one record has two names");
        }
        if let Ok(key) = BatchKey::parse(TenantId(0), text) {
            assert_eq!(BatchKey::parse(TenantId(0), &key.to_string()), Ok(key));
        }
        if let Ok(time) = TimestampNs::parse(text) {
            assert_eq!(TimestampNs::parse(&time.to_string()), Ok(time), "of {text:?}");
        }
        if let Some(level) = Level::from_spelling(text) {
            assert_eq!(Level::from_spelling(level.name()), Some(level));
        }
    },
    mend: None,
    memory: Memory { bytes: 64 << 10, per_byte: 64 },
};
