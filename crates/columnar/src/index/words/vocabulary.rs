//! The distinct tokens of one row group, and how many rows have each.

use super::documents::{Documents, NO_SET};
use super::hash::{hash_long, hash_short, words};
use super::text::for_tokens;

/// One distinct token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) hash: u64,
    /// Its first 16 bytes: with the length they are all that most tokens are known by.
    words: (u64, u64),
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
    /// Open addressing by the hash's low bits: its high half, so that few other tokens are looked
    /// at, above the token's place plus one; 0 where free. A power of two long, at most half full.
    slots: Vec<u64>,
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
            let token = &mut self.tokens[place];
            if token.last == document as u32 {
                return;
            }
            token.last = document as u32;
            if let Some(&rows) = documents.set_rows.get(document) {
                token.rows += rows;
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
        let words = words(buffer, start, len);
        let hash = match len {
            ..=16 => hash_short(words, len),
            _ => hash_long(&buffer[start..start + len]),
        };
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let found = self.slots[slot];
            if found == 0 {
                break;
            }
            if (found ^ hash) >> 32 == 0 {
                let place = found as u32 as usize - 1;
                let token = &self.tokens[place];
                let known = token.start as usize;
                if token.words == words
                    && token.len as usize == len
                    && (len <= 16 || buffer[known..known + len] == buffer[start..start + len])
                {
                    return place;
                }
            }
            slot = (slot + 1) & mask;
        }
        let (start, len) = (start as u32, len as u32);
        self.add(slot, Token { hash, words, start, len, rows: 0, last: u32::MAX })
    }

    fn add(&mut self, slot: usize, token: Token) -> usize {
        let place = self.tokens.len();
        self.slots[slot] = entry(token.hash, place);
        self.tokens.push(token);
        if 2 * self.tokens.len() > self.slots.len() {
            self.grow();
        }
        place
    }

    fn grow(&mut self) {
        let len = 2 * self.slots.len();
        self.slots.clear();
        self.slots.resize(len, 0);
        for (place, token) in self.tokens.iter().enumerate() {
            let mut slot = token.hash as usize & (len - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (len - 1);
            }
            self.slots[slot] = entry(token.hash, place);
        }
    }
}

/// What a slot says of a token.
const fn entry(hash: u64, place: usize) -> u64 {
    hash >> 32 << 32 | (place as u64 + 1)
}
