//! Logs as nobody would write them: a script chooses records, all of which have right checksums,
//! and some of which lie about one thing.

use std::collections::BTreeMap;

use crate::formats::wal::{
    HEADER_BYTES, NOTE_BYTES, RECORD_HEADER_BYTES, RECORDS_START, expand, header_crc, mend,
};
use crate::script::Script;

const CAPACITY: u64 = 16 << 10;
const MARK: u8 = 1;
const APPEND: u8 = 3;
const TRUNCATE: u8 = 4;
const PURGE: u8 = 5;
const CHECKPOINT: u8 = 7;
const REMOVE: u8 = 8;

/// What an honest writer would know.
struct Forger<'a> {
    script: Script<'a>,
    sequence: u64,
    round: u64,
    /// Before the current round.
    synced: u64,
    groups: BTreeMap<u64, Group>,
    /// The groups of this round, with their last counters.
    touched: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, Default)]
struct Group {
    counter: u64,
    /// Entries from one index up to, not including, another.
    first: u64,
    next: u64,
}

/// A record's header, all but its checksums.
struct Header {
    kind: u8,
    first: u8,
    sequence: u64,
    synced: u64,
    group: u64,
    counter: u64,
    index: u64,
}

/// The files of the log that a script makes.
pub(super) fn forge(script: Script<'_>, files_max: usize) -> Vec<Vec<u8>> {
    let mut forger = Forger {
        script,
        sequence: 1,
        round: 0,
        synced: 0,
        groups: BTreeMap::new(),
        touched: BTreeMap::new(),
    };
    let mut files = Vec::new();
    while files.len() < files_max && (files.is_empty() || !forger.script.is_empty()) {
        files.push(forger.file(files.len() as u64 + 1));
    }
    files
}

impl Forger<'_> {
    fn file(&mut self, number: u64) -> Vec<u8> {
        let mut short = b"VARVEWAL\x01\0\0\0\0\0\0\0".to_vec();
        let salt = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut fields = [number, salt, self.sequence, CAPACITY, self.round + 1];
        if let lie @ 1..=5 = self.script.below(40) {
            fields[lie - 1] = self.script.u64();
        }
        for field in fields {
            short.extend_from_slice(&field.to_le_bytes());
        }
        let noted = if self.script.below(4) == 1 { self.script.u16().into() } else { 0u64 };
        short.extend_from_slice(&[0; HEADER_BYTES - 56]);
        short.extend_from_slice(&noted.to_le_bytes());
        short.extend_from_slice(&[0; 4]);
        mend(&mut short);
        let mut file = expand(&short);
        debug_assert_eq!(short.len(), HEADER_BYTES + NOTE_BYTES, "the short form of no records");
        let salt = fields[1].to_le_bytes();
        while !self.script.is_empty() && file.len() < CAPACITY as usize {
            let kind = self.script.below(16) as u8;
            if kind > REMOVE + 6 {
                break;
            }
            // Most records are entries.
            let kind = if (1..=REMOVE).contains(&kind) { kind } else { APPEND };
            self.record(kind, &salt, &mut file);
        }
        if self.script.byte().is_multiple_of(2) {
            file.resize(CAPACITY as usize, 0);
        }
        file
    }

    fn record(&mut self, kind: u8, salt: &[u8; 8], file: &mut Vec<u8>) {
        let (mut header, payload) = if kind == MARK { self.mark() } else { self.of_group(kind) };
        let mut payload_crc = crc32c::crc32c(&payload);
        let mut payload_bytes = payload.len() as u32;
        let mut flip = 0;
        match self.script.byte() {
            1 => header.sequence = header.sequence.wrapping_add(self.script.byte().into()),
            2 => header.synced = header.synced.wrapping_add(self.script.byte().into()),
            3 => header.counter = header.counter.wrapping_add(self.script.byte().into()),
            4 => header.counter = header.counter.wrapping_sub(self.script.byte().into()),
            5 => header.index = self.script.u64(),
            6 => header.first ^= 1,
            7 => payload_crc ^= 1,
            8 => flip = 1,
            9 => payload_bytes = self.script.u16().into(),
            10 => header.synced = self.script.u64(),
            11 => header.sequence = self.script.u64(),
            12 => header.counter = self.script.u64(),
            13 => header.group = self.script.u64(),
            _ => {}
        }
        let start = file.len();
        debug_assert!(start >= RECORDS_START, "records stand behind the header");
        file.extend_from_slice(&[0; 4]);
        file.extend_from_slice(&[header.kind, header.first, 0, 0]);
        file.extend_from_slice(&payload_bytes.to_le_bytes());
        file.extend_from_slice(&payload_crc.to_le_bytes());
        for field in [header.sequence, header.synced, header.group, header.counter, header.index] {
            file.extend_from_slice(&field.to_le_bytes());
        }
        let crc = header_crc(salt, start, &file[start + 4..start + RECORD_HEADER_BYTES]) ^ flip;
        file[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        file.extend_from_slice(&payload);
        file.resize(file.len().next_multiple_of(8), 0);
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Opens a round.
    fn mark(&mut self) -> (Header, Vec<u8>) {
        self.round += 1;
        self.synced = self.sequence - 1;
        let touched = std::mem::take(&mut self.touched);
        let listed = touched.into_iter().flat_map(|(group, counter)| [group, counter]);
        let payload = listed.flat_map(u64::to_le_bytes).collect();
        (self.header(MARK, 0, self.round, 0), payload)
    }

    fn of_group(&mut self, kind: u8) -> (Header, Vec<u8>) {
        let number = self.script.below(3) as u64 + 1;
        let known = self.groups.get(&number).copied();
        let mut group = known.unwrap_or_default();
        group.counter = if known.is_some() { group.counter + 1 } else { self.sequence };
        let within = group.next.saturating_sub(group.first).max(1);
        let chosen = group.first + u64::from(self.script.byte()) % within;
        let mut payload = Vec::new();
        let mut index = 0;
        match kind {
            APPEND => {
                index = group.next;
                group.next += 1;
            }
            TRUNCATE => (index, group.next) = (chosen, chosen),
            PURGE => (index, group.first) = (chosen, chosen + 1),
            CHECKPOINT => payload = self.checkpoint(group),
            _ => {}
        }
        if kind != CHECKPOINT {
            let len = self.script.below(24);
            payload = self.script.bytes(len).to_vec();
        }
        group.next = group.next.max(group.first);
        self.touched.insert(number, group.counter);
        if kind == REMOVE {
            self.groups.remove(&number);
        } else {
            self.groups.insert(number, group);
        }
        let mut header = self.header(kind, number, group.counter, index);
        header.first = u8::from(known.is_none());
        (header, payload)
    }

    /// What a group is, sometimes with more or fewer entries than it has.
    fn checkpoint(&mut self, group: Group) -> Vec<u8> {
        let mut payload = vec![u8::from(self.script.byte() == 1)];
        for _ in 0..3 {
            let len = self.script.below(8) as u32;
            if len == 0 {
                payload.extend_from_slice(&u32::MAX.to_le_bytes());
            } else {
                payload.extend_from_slice(&len.to_le_bytes());
                payload.extend_from_slice(&vec![7; len as usize]);
            }
        }
        let mut numbers = [group.first.saturating_sub(1), group.first, group.next - group.first];
        if let lie @ 1..=3 = self.script.below(12) {
            numbers[lie - 1] = self.script.u64();
        }
        payload.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
        payload
    }

    const fn header(&self, kind: u8, group: u64, counter: u64, index: u64) -> Header {
        let (sequence, synced) = (self.sequence, self.synced);
        Header { kind, first: 0, sequence, synced, group, counter, index }
    }
}
