//! The name of one stored record, for ever.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;

use crate::{LogIndex, RowNumber, ShardId};

/// (shard, index, row): one record for ever. Printed as 32 characters of base32 over the three
/// numbers in big-endian order, so that ids of one shard sort as the records were committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Where it was first stored.
    pub shard: ShardId,
    /// The entry of the shard's log that holds it.
    pub index: LogIndex,
    /// Its row in that entry's block.
    pub row: RowNumber,
}

/// Text that is not a record id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log_id {0:?} is not an id of this store (32 characters of base32)")]
pub struct RecordIdError(String);

const RECORD_ID_BYTES: usize = 20;

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; RECORD_ID_BYTES];
        bytes[..8].copy_from_slice(&self.shard.get().to_be_bytes());
        bytes[8..16].copy_from_slice(&self.index.get().to_be_bytes());
        bytes[16..].copy_from_slice(&self.row.get().to_be_bytes());
        f.write_str(&BASE32_NOPAD.encode(&bytes))
    }
}

impl FromStr for RecordId {
    type Err = RecordIdError;

    fn from_str(text: &str) -> Result<Self, RecordIdError> {
        let refused = || RecordIdError(text.chars().take(64).collect());
        let bytes = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| refused())?;
        let bytes: [u8; RECORD_ID_BYTES] = bytes.try_into().map_err(|_| refused())?;
        let [shard, index] = [0, 8].map(|at| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(number)
        });
        let mut row = [0; 4];
        row.copy_from_slice(&bytes[16..]);
        Ok(Self {
            shard: ShardId(shard),
            index: LogIndex(index),
            row: RowNumber(u32::from_be_bytes(row)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_reads_back(shard: u64, index: u64, row: u32) {
            let id = RecordId {
                shard: ShardId(shard), index: LogIndex(index), row: RowNumber(row),
            };
            let text = id.to_string();
            prop_assert!(text.len() <= 36);
            prop_assert_eq!(text.parse(), Ok(id));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<RecordId>();
        }
    }
}
