//! One round: the records that are written and synced together, placed in a file.

use bytes::Bytes;
use varve_types::GroupId;

use crate::format::record::{Kind, RecordHeader, record_bytes};
use crate::format::{Counter, RecordSequence};

/// Records with their places, ready to be encoded. Pure data: the encoding is done where blocking
/// is allowed.
pub(crate) struct Round {
    salt: u64,
    /// Where in the file the first record goes.
    pub(crate) offset: u64,
    /// Of the first record.
    first: RecordSequence,
    /// Everything up to it was synced before this round.
    synced: RecordSequence,
    records: Vec<(RecordHeader, Bytes)>,
    pub(crate) bytes: usize,
}

/// What a record says besides its place.
pub(crate) struct Content {
    pub(crate) kind: Kind,
    pub(crate) first: bool,
    pub(crate) group: GroupId,
    pub(crate) counter: Counter,
    pub(crate) index: u64,
    pub(crate) payload: Bytes,
}

impl Round {
    pub(crate) const fn new(salt: u64, offset: u64, synced: RecordSequence) -> Self {
        Self { salt, offset, first: synced.next(), synced, records: Vec::new(), bytes: 0 }
    }

    /// The sequence that the next record will have.
    pub(crate) const fn next(&self) -> RecordSequence {
        RecordSequence(self.first.0 + self.records.len() as u64)
    }

    pub(crate) const fn records(&self) -> usize {
        self.records.len()
    }

    /// Adds a record; answers its offset in the file.
    pub(crate) fn push(&mut self, content: Content) -> u64 {
        let Content { kind, first, group, counter, index, payload } = content;
        let payload_bytes = u32::try_from(payload.len())
            .expect("BUG: a payload is shorter than a file, thus than u32::MAX");
        let header = RecordHeader {
            kind,
            first,
            payload_bytes,
            payload_crc: 0,
            sequence: self.next(),
            synced: self.synced,
            group,
            counter,
            index,
        };
        let offset = self.offset + self.bytes as u64;
        self.bytes += record_bytes(payload.len());
        self.records.push((header, payload));
        offset
    }

    /// The bytes to be written at [`Self::offset`].
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        out.reserve(self.bytes);
        for (header, payload) in &self.records {
            let payload_crc = crc32c::crc32c(payload);
            let offset = self.offset + out.len() as u64;
            RecordHeader { payload_crc, ..*header }.encode(self.salt, offset, payload, out);
        }
    }
}
