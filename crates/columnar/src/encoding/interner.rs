//! Gives each distinct byte string of a column a code, in order of first appearance, and keeps
//! its digest, so that a repeated string is hashed once into a table and once into digests.

use varve_types::RowDigest;

use crate::byte_column::ByteBuffer;

/// The distinct strings of one column of one row group.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    strings: ByteBuffer,
    digests: Vec<RowDigest>,
    /// Open addressing by the digest's low bits: a code plus one, or 0 where free. A power of two
    /// long, at most half full.
    slots: Vec<u32>,
}

const SLOTS_MIN: usize = 32;

impl Interner {
    /// The code of a string whose cell digest is `digest`.
    pub(crate) fn intern(&mut self, string: &[u8], digest: RowDigest) -> u32 {
        if self.slots.len() < 2 * (self.strings.len() + 1) {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut slot = digest.get() as usize & mask;
        while self.slots[slot] != 0 {
            let code = self.slots[slot] - 1;
            // Equal digests of unequal strings can be made on purpose: the strings decide.
            if self.digests[code as usize] == digest && self.strings.get(code as usize) == string {
                return code;
            }
            slot = (slot + 1) & mask;
        }
        let code = self.digests.len() as u32;
        self.strings.push(string);
        self.digests.push(digest);
        self.slots[slot] = code + 1;
        code
    }

    fn grow(&mut self) {
        let len = (2 * self.slots.len()).max(SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(len, 0);
        for (code, digest) in self.digests.iter().enumerate() {
            let mut slot = digest.get() as usize & (len - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (len - 1);
            }
            self.slots[slot] = code as u32 + 1;
        }
    }

    /// The distinct strings by code.
    pub(crate) const fn strings(&self) -> &ByteBuffer {
        &self.strings
    }

    /// The digest of the string with this code.
    pub(crate) fn digest(&self, code: u32) -> RowDigest {
        self.digests[code as usize]
    }

    /// How many distinct strings there are.
    pub(crate) fn len(&self) -> usize {
        self.digests.len()
    }

    pub(crate) fn clear(&mut self) {
        self.strings.clear();
        self.digests.clear();
        self.slots.fill(0);
    }
}
