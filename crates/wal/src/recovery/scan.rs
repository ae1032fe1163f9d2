//! Reading one file's bytes: which records it holds, and what to make of bytes that are none.
//!
//! Pure: bytes in, findings out. Bad bytes are rot when anything proves that the record there was
//! synced: a later record (each says what was synced before it was written), or a later file
//! (its header says so), or the note in its own first block. Otherwise they are what a torn last write left, and the log ends there.

use varve_mutants::Mutant;

use crate::format::file_header::FileHeader;
use crate::format::record::{RECORD_HEADER_BYTES, RecordHeader};
use crate::format::{RECORDS_START, RecordSequence, synced_slot};

/// What follows a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing: its last write may be torn.
    Nothing,
    /// A file that begins with this record.
    Starts(RecordSequence),
    /// Something unreadable: all of this file was synced, but nobody knows how far it goes.
    Unknown,
}

/// One finding, in order.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A whole record, the next in sequence.
    Record { offset: u64, header: RecordHeader, payload: &'a [u8] },
    /// The next record, with a damaged payload: rot.
    BadPayload { offset: u64, header: RecordHeader },
    /// Records from one sequence up to, not including, another cannot be read: rot.
    Lost { offset: u64, from: RecordSequence, to: RecordSequence },
    /// The last write was torn. Whole records of it may stand before `stale_end`, and must be
    /// overwritten lest they are taken for later ones.
    Torn { offset: u64, stale_end: u64 },
}

/// A scan of one file.
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    header: FileHeader,
    after: After,
    /// What the file's own notes prove.
    noted: Option<RecordSequence>,
    /// Filled at the first bad record: what later headers of this file prove.
    later: Option<Later>,
}

#[derive(Clone, Copy, Debug)]
struct Later {
    synced: Option<RecordSequence>,
    end: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(bytes: &'a [u8], header: FileHeader, after: After) -> Self {
        let noted = synced_slot::decode(bytes, header.salt);
        Self { bytes, header, after, noted, later: None }
    }

    /// Reads the file, whose next record has sequence `next`. Answers where its records end and
    /// the sequence after the last; `None` when its end is lost and it takes no more.
    pub(crate) fn run(
        mut self,
        mut next: RecordSequence,
        visit: &mut dyn FnMut(Found<'a>),
    ) -> (Option<usize>, RecordSequence) {
        let mut at = RECORDS_START;
        loop {
            if self.after == After::Starts(next) {
                return (Some(at), next);
            }
            let offset = at as u64;
            match self.header_at(at).filter(|header| header.sequence == next) {
                Some(header) => {
                    let start = at + RECORD_HEADER_BYTES;
                    let payload = &self.bytes[start..start + header.payload_bytes as usize];
                    if crc32c::crc32c(payload) == header.payload_crc {
                        visit(Found::Record { offset, header, payload });
                    } else if self.is_synced(at, next) {
                        visit(Found::BadPayload { offset, header });
                    } else {
                        visit(self.torn(at));
                        return (Some(at), next);
                    }
                    at += header.record_bytes();
                    next = next.next();
                }
                None => match self.skip(at, next) {
                    Ok((resume, to)) => {
                        visit(Found::Lost { offset, from: next, to });
                        (at, next) = (resume, to);
                    }
                    Err(finding) => {
                        let end = match finding {
                            Some(Found::Lost { to, .. }) => (None, to),
                            _ => (Some(at), next),
                        };
                        finding.into_iter().for_each(visit);
                        return end;
                    }
                },
            }
        }
    }

    /// After a bad header: where the next record of this file stands and its sequence, or what
    /// to say of the file's end.
    fn skip(
        &mut self,
        at: usize,
        next: RecordSequence,
    ) -> Result<(usize, RecordSequence), Option<Found<'a>>> {
        let offset = at as u64;
        let resume = self.headers_from(at + 8).find(|(_, header)| header.sequence > next);
        match (resume, self.after) {
            (Some((at, header)), _) if self.is_synced(at, next) => Ok((at, header.sequence)),
            (None, After::Starts(to)) => Err(Some(Found::Lost { offset, from: next, to })),
            (None, After::Unknown) => Err(None),
            (None, After::Nothing) if self.noted >= Some(next) => {
                let to = self.noted.map_or(next, RecordSequence::next);
                Err(Some(Found::Lost { offset, from: next, to }))
            }
            _ => Err(Some(self.torn(at))),
        }
    }

    fn torn(&mut self, at: usize) -> Found<'a> {
        let stale_end = self.later(at).end.max(at) as u64;
        Found::Torn { offset: at as u64, stale_end }
    }

    /// Whether anything after `at` proves that the record `sequence` was synced.
    fn is_synced(&mut self, at: usize, sequence: RecordSequence) -> bool {
        if Mutant::TruncationInTheMiddle.is_planted() {
            return false;
        }
        match self.after {
            After::Unknown => true,
            After::Starts(first) if first > sequence => true,
            _ => self.later(at).synced.max(self.noted) >= Some(sequence),
        }
    }

    /// What headers from `at` on say. Read once per file: what they prove holds for every later
    /// bad record too, since the furthest claim counts wherever it stands.
    fn later(&mut self, at: usize) -> Later {
        if let Some(later) = self.later {
            return later;
        }
        let mut later = Later { synced: None, end: at };
        for (at, header) in self.headers_from(at) {
            later.synced = later.synced.max(Some(header.synced));
            later.end = later.end.max(at + header.record_bytes());
        }
        self.later = Some(later);
        later
    }

    /// A whole record's header at `at`, whose payload lies inside the file.
    fn header_at(&self, at: usize) -> Option<RecordHeader> {
        let header = RecordHeader::decode(self.bytes.get(at..)?, self.header.salt, at as u64)?;
        let inside = at.checked_add(header.record_bytes())? <= self.bytes.len();
        (inside && header.sequence >= self.header.first).then_some(header)
    }

    /// Every header that can still be read from `at` on.
    fn headers_from(&self, at: usize) -> impl Iterator<Item = (usize, RecordHeader)> {
        (at..self.bytes.len()).step_by(8).filter_map(|at| Some((at, self.header_at(at)?)))
    }
}
