//! What shapes alone say of a needle, so that most messages are searched without being put
//! together: a shape that has the needle in its text is in every row of that shape, and one that
//! cannot have it with any values is in none.
//!
//! Shapes repeat from page to page, so what was found out of one is remembered.

use std::collections::HashMap;

use varve_columnar::{SHAPE_SLOT, ShapedColumn, is_token_byte};

use crate::needle::Needle;
use crate::row_set::RowSet;

/// Shapes remembered for one needle; past it all are forgotten, which bounds memory.
const REMEMBERED_MAX: usize = 1 << 16;

/// Of a longer needle so many bytes are tried across slots, one bit each.
const TRIED_BYTES_MAX: usize = 64;

/// Whether rows of a shape have the needle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    All,
    None,
    /// It depends on the values.
    Some,
}

/// What was found out of one needle.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    by_shape: HashMap<Box<[u8]>, Verdict>,
}

impl Verdicts {
    /// The rows that have the needle: all of them that are `selected`, and maybe others. `None`
    /// where for some of them the values must be looked at.
    pub(super) fn rows_with(
        &mut self,
        needle: &Needle,
        shaped: &ShapedColumn,
        selected: &RowSet,
    ) -> Option<RowSet> {
        let verdicts: Vec<Verdict> =
            shaped.shapes.iter().map(|shape| self.of(needle, shape)).collect();
        if verdicts.contains(&Verdict::Some) {
            let mut open =
                RowSet::of_values(&shaped.codes, |code| verdicts[code as usize] == Verdict::Some);
            open.intersect(selected);
            if !open.is_empty() {
                return None;
            }
        }
        Some(RowSet::of_values(&shaped.codes, |code| verdicts[code as usize] == Verdict::All))
    }

    fn of(&mut self, needle: &Needle, shape: &[u8]) -> Verdict {
        if let Some(verdict) = self.by_shape.get(shape) {
            return *verdict;
        }
        let verdict = judge(needle, &shape.to_ascii_lowercase());
        if self.by_shape.len() >= REMEMBERED_MAX {
            self.by_shape.clear();
        }
        self.by_shape.insert(shape.into(), verdict);
        verdict
    }
}

/// The verdict on a shape in lower case.
fn judge(needle: &Needle, shape: &[u8]) -> Verdict {
    if is_in_text(needle, shape) {
        Verdict::All
    } else if may_be_across(needle, shape) {
        Verdict::Some
    } else {
        Verdict::None
    }
}

/// Whether the needle is in the shape whatever the values are. A value is of token bytes, so a
/// word that touches one is only a part of a word.
fn is_in_text(needle: &Needle, shape: &[u8]) -> bool {
    let is_slot = |byte: &u8| *byte == SHAPE_SLOT;
    if !needle.is_word() {
        return shape.split(is_slot).any(|text| needle.is_in(text));
    }
    let is_border = |byte: &u8| !is_token_byte(*byte) && !is_slot(byte);
    shape.split(is_border).any(|run| run == needle.bytes())
}

/// Whether the needle may have bytes of a value in it. `true` is a maybe, `false` is certain.
///
/// All starts of the needle that end at a byte of the shape are kept as bits of one number
/// (Baeza-Yates and Gonnet's shift-and), and those that have gone through a slot as another's.
fn may_be_across(needle: &Needle, shape: &[u8]) -> bool {
    if needle.is_word() && !needle.bytes().iter().any(u8::is_ascii_digit) {
        // A word with a value in it has the value's digit.
        return false;
    }
    let tried = &needle.bytes()[..needle.bytes().len().min(TRIED_BYTES_MAX)];
    let is_whole = tried.len() == needle.bytes().len();
    let bits = |wanted: &dyn Fn(u8) -> bool| {
        let bit = |(at, byte): (usize, &u8)| u64::from(wanted(*byte)) << at;
        tried.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit)
    };
    let in_value = bits(&|byte| byte.is_ascii_alphanumeric());
    let last = 1u64 << (tried.len() - 1);
    let (mut plain, mut across) = (0u64, 0u64);
    for &byte in shape {
        if byte == SHAPE_SLOT {
            let mut reached = (plain << 1 | across << 1 | 1) & in_value;
            loop {
                let further = reached | (reached << 1 | 1) & in_value;
                if further == reached {
                    break;
                }
                reached = further;
            }
            (plain, across) = (0, reached);
        } else {
            let fits = bits(&|wanted| wanted == byte);
            (plain, across) = ((plain << 1 | 1) & fits, across << 1 & fits);
        }
        if across & last != 0 || !is_whole && plain & last != 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn verdict(needle: &Needle, shape: &str) -> Verdict {
        judge(needle, shape.replace('%', "\u{1a}").as_bytes())
    }

    #[test]
    fn a_shape_says_what_it_can() {
        let phrase = |phrase, shape| verdict(&Needle::phrase(phrase), shape);
        assert_eq!(phrase("closed by peer", "% connection closed by peer %"), Verdict::All);
        assert_eq!(phrase("closed by peer", "connection closed by %"), Verdict::Some);
        assert_eq!(phrase("closed by peer", "% connection closed, by %"), Verdict::None);
        assert_eq!(phrase("closed by 7", "closed by %"), Verdict::Some);
        assert_eq!(phrase("a1 closed", "% closed"), Verdict::Some);
        assert_eq!(phrase("a-1 closed", "% closed"), Verdict::None);
        let long = format!("{}7", "a".repeat(70));
        assert_eq!(phrase(&long, &format!("{}%", "a".repeat(70))), Verdict::Some);
        let word = |word, shape| verdict(&Needle::word(word), shape);
        assert_eq!(word("ms", "took %ms"), Verdict::None);
        assert_eq!(word("ms", "took % ms"), Verdict::All);
        assert_eq!(word("25ms", "took %ms"), Verdict::Some);
        assert_eq!(word("25ms", "took - s"), Verdict::None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn a_verdict_holds_whatever_the_values(
            shape in "[ab_ %-]{0,9}",
            values in vec("[ab]{0,1}[0-1][ab0]{0,2}", 9),
            phrase in "[ab01_ -]{1,4}",
            word in "[ab01_]{1,3}",
        ) {
            let mut values = values.iter();
            let text: String = shape
                .chars()
                .map(|c| if c == '%' { values.next().cloned().unwrap_or_default() } else { c.into() })
                .collect();
            for needle in [Needle::phrase(&phrase), Needle::word(&word)] {
                let is_in = needle.is_in(text.as_bytes());
                match verdict(&needle, &shape) {
                    Verdict::All => prop_assert!(is_in, "{text}"),
                    Verdict::None => prop_assert!(!is_in, "{text}"),
                    Verdict::Some => {}
                }
            }
        }
    }
}
