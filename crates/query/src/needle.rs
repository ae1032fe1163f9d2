//! Finding a word or a phrase in many cells at once.
//!
//! The cells of a page lie end to end, so a needle is searched in all of their bytes by one SIMD
//! search, and only what it finds is mapped back to a cell: a match that crosses into the next
//! cell is none. For letters, the bytes are folded to lower case into a scratch buffer first,
//! which the compiler vectorises; that is faster than any search for two spellings of each letter
//! and independent of what the needle is.

use memchr::memmem::Finder;
use varve_columnar::is_token_byte;

/// Byte strings laid end to end: cell `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells<'a> {
    offsets: &'a [u32],
    bytes: &'a [u8],
}

impl<'a> Cells<'a> {
    /// Cells between ascending offsets, the last of which is at most `bytes.len()`.
    pub(crate) fn new(offsets: &'a [u32], bytes: &'a [u8]) -> Self {
        Self { offsets, bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    fn start(&self, cell: usize) -> usize {
        self.offsets[cell] as usize
    }

    pub(crate) fn get(&self, cell: usize) -> &'a [u8] {
        &self.bytes[self.start(cell)..self.start(cell + 1)]
    }

    /// Leaves the bytes in lower case in `buffer`, so that the same offsets fit them.
    pub(crate) fn fold_into(&self, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend(self.bytes.iter().map(u8::to_ascii_lowercase));
    }

    /// The cell that the byte at `position` belongs to, which is `from` or a later one. Steps
    /// double, because the next match is as a rule a few cells on.
    fn cell_at(&self, from: usize, position: usize) -> usize {
        let starts_by = |cell: usize| self.start(cell) <= position;
        let (mut low, mut step) = (from, 1);
        while low + step < self.len() && starts_by(low + step) {
            low += step;
            step *= 2;
        }
        let high = (low + step).min(self.len());
        low + self.offsets[low + 1..high].partition_point(|&start| start as usize <= position)
    }
}

/// One word or phrase, ready to be searched for in lower-case bytes.
#[derive(Debug)]
pub(crate) struct Needle {
    finder: Finder<'static>,
    /// Whether a match must be a whole token.
    is_word: bool,
}

impl Needle {
    /// A token that must occur whole. In lower case and not empty.
    pub(crate) fn word(word: &str) -> Self {
        Self { finder: Finder::new(word.as_bytes()).into_owned(), is_word: true }
    }

    /// Bytes that must occur. In lower case and not empty.
    pub(crate) fn phrase(phrase: &str) -> Self {
        Self { finder: Finder::new(phrase.as_bytes()).into_owned(), is_word: false }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.finder.needle()
    }

    /// Whether a match must be a whole token.
    pub(crate) const fn is_word(&self) -> bool {
        self.is_word
    }

    /// Whether case makes a difference: else cells may be searched as they are.
    pub(crate) fn has_letters(&self) -> bool {
        self.bytes().iter().any(u8::is_ascii_alphabetic)
    }

    /// Whether a cell in lower case has the needle.
    pub(crate) fn is_in(&self, cell: &[u8]) -> bool {
        let mut from = 0;
        while let Some(found) = self.finder.find(&cell[from..]) {
            if self.is_bounded(cell, from + found) {
                return true;
            }
            from += found + 1;
        }
        false
    }

    /// Calls `hit` with each cell, ascending, that has the needle. The cells are in lower case.
    pub(crate) fn scan(&self, cells: Cells<'_>, mut hit: impl FnMut(usize)) {
        let count = cells.len();
        if count == 0 {
            return;
        }
        let end = cells.start(count);
        let (mut cell, mut from) = (0, cells.start(0));
        while let Some(found) = self.finder.find(&cells.bytes[from..end]) {
            let start = from + found;
            cell = cells.cell_at(cell, start);
            let cell_end = cells.start(cell + 1);
            let fits = start + self.bytes().len() <= cell_end;
            if fits && self.is_bounded(cells.get(cell), start - cells.start(cell)) {
                hit(cell);
                from = cell_end;
            } else {
                from = start + 1;
            }
        }
    }

    /// Whether the match at `start` of a cell counts.
    fn is_bounded(&self, cell: &[u8], start: usize) -> bool {
        let end = start + self.bytes().len();
        let token_at = |at: Option<usize>| {
            at.and_then(|at| cell.get(at)).is_some_and(|&byte| is_token_byte(byte))
        };
        !self.is_word || !(token_at(start.checked_sub(1)) || token_at(Some(end)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Cells of few different bytes, so that needles do occur, and often across a border.
    fn texts() -> impl Strategy<Value = Vec<String>> {
        vec("[aAbB_é .-]{0,6}", 0..40)
    }

    fn by_definition(text: &str, needle: &str, is_word: bool) -> bool {
        let text = text.to_ascii_lowercase();
        if !is_word {
            return text.contains(needle);
        }
        text.as_bytes().split(|&byte| !is_token_byte(byte)).any(|token| token == needle.as_bytes())
    }

    proptest! {
        #[test]
        fn a_scan_finds_what_the_definition_says(
            texts in texts(),
            word in "[ab_é]{1,3}",
            phrase in "[ab_é .-]{1,3}",
        ) {
            let mut offsets = vec![0];
            let mut bytes = Vec::new();
            for text in &texts {
                bytes.extend_from_slice(text.as_bytes());
                offsets.push(bytes.len() as u32);
            }
            let mut folded = Vec::new();
            Cells::new(&offsets, &bytes).fold_into(&mut folded);
            let cells = Cells::new(&offsets, &folded);
            for needle in [Needle::word(&word), Needle::phrase(&phrase)] {
                let text = if needle.is_word { &word } else { &phrase };
                let wanted: Vec<usize> = (0..texts.len())
                    .filter(|&at| by_definition(&texts[at], text, needle.is_word))
                    .collect();
                let mut found = Vec::new();
                needle.scan(cells, |cell| found.push(cell));
                prop_assert_eq!(&found, &wanted);
                let one_by_one: Vec<usize> =
                    (0..texts.len()).filter(|&at| needle.is_in(cells.get(at))).collect();
                prop_assert_eq!(one_by_one, wanted);
            }
        }
    }
}
