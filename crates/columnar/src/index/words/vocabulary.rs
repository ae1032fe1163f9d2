//! The distinct tokens of one row group, and how many rows have each.

use super::documents::{Documents, NO_SET};
use super::hash::{hash_at, words};
use super::text::for_tokens;

/// One distinct token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) hash: u64,
    /// Where it first occurs in the buffer of the documents, and how long it is.
    pub(super) start: u32,
    pub(super) len: u32,
    /// How many rows have it.
    pub(super) rows: u32,
    /// The last document found to have it.
    last: u32,
}

/// The distinct tokens of one row group. A token is known by its bytes, its hash is only where it
/// is looked for first: counts are exact whatever collides.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    pub(super) tokens: Vec<Token>,
    /// Open addressing by the hash's high bits: a token's place plus one, or 0 where free. A power
    /// of two long, at most half full.
    slots: Vec<u32>,
    /// The tokens of each resource set: (set, token), sorted.
    in_sets: Vec<(u32, u32)>,
}

const SLOTS_MIN: usize = 1 << 12;

impl Vocabulary {
    /// Replaces the tokens by those of the documents.
    pub(super) fn fill(&mut self, documents: &Documents) {
        self.tokens.clear();
        self.in_sets.clear();
        self.slots.fill(0);
        if self.slots.is_empty() {
            self.slots.resize(SLOTS_MIN, 0);
        }
        let mut document = 0;
        // Tokens before this place are those of resource sets.
        let mut set_tokens = 0;
        for_tokens(&documents.buffer, |start, end| {
            while documents.ends[document] <= start {
                document += 1;
                if document == documents.sets {
                    set_tokens = self.tokens.len();
                    self.in_sets.sort_unstable();
                }
            }
            let place = self.intern(&documents.buffer, start, end - start);
            if self.tokens[place].last == document as u32 {
                return;
            }
            self.tokens[place].last = document as u32;
            if let Some(&rows) = documents.set_rows.get(document) {
                self.tokens[place].rows += rows;
                self.in_sets.push((document as u32, place as u32));
            } else if place >= set_tokens || !self.is_in_set(documents, document, place) {
                self.tokens[place].rows += 1;
            }
        });
    }

    /// Whether the resource set of a row has a token: the row is then counted already.
    fn is_in_set(&self, documents: &Documents, document: usize, place: usize) -> bool {
        let set = documents.row_sets.get(document - documents.sets).copied().unwrap_or(NO_SET);
        self.in_sets.binary_search(&(set, place as u32)).is_ok()
    }

    /// The place of a token, which is added when new.
    #[inline]
    fn intern(&mut self, buffer: &[u8], start: usize, len: usize) -> usize {
        let hash = hash_at(buffer, start, len);
        let mask = self.slots.len() - 1;
        let mut slot = first_slot(hash, mask);
        while let Some(place) = self.slots[slot].checked_sub(1) {
            let token = &self.tokens[place as usize];
            if token.hash == hash && token.len as usize == len {
                let known = token.start as usize;
                let same = if len <= 16 {
                    words(buffer, known, len) == words(buffer, start, len)
                } else {
                    buffer[known..known + len] == buffer[start..start + len]
                };
                if same {
                    return place as usize;
                }
            }
            slot = (slot + 1) & mask;
        }
        let (start, len) = (start as u32, len as u32);
        self.tokens.push(Token { hash, start, len, rows: 0, last: u32::MAX });
        self.slots[slot] = self.tokens.len() as u32;
        if 2 * self.tokens.len() > self.slots.len() {
            self.grow();
        }
        self.tokens.len() - 1
    }

    fn grow(&mut self) {
        let len = 2 * self.slots.len();
        self.slots.clear();
        self.slots.resize(len, 0);
        for (token, place) in self.tokens.iter().zip(1..) {
            let mut slot = first_slot(token.hash, len - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (len - 1);
            }
            self.slots[slot] = place;
        }
    }
}

/// Hashes are spread by their high bits, where a multiplication leaves its best ones.
#[inline]
const fn first_slot(hash: u64, mask: usize) -> usize {
    (hash >> 32) as usize & mask
}
