//! Divides a string into its shape and its values, and says which slots of shapes are alike.
//!
//! A value is a run of ASCII letters and digits that has a digit, or the digits in it where it
//! is a word with one number (`shard17`, `25ms`).

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::encoding::shapes::SLOT;

const OTHER: u8 = 0;
const LETTER: u8 = 1;
const HEX_LETTER: u8 = 2;
const DIGIT: u8 = 4;

/// What each byte is to the division.
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
            b'g'..=b'z' | b'G'..=b'Z' => LETTER,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

const fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// Appends the shape of `string`, which has no [`SLOT`], to `shape`, and calls `value(start, end)`
/// for each value.
pub(super) fn split(string: &[u8], shape: &mut Vec<u8>, mut value: impl FnMut(usize, usize)) {
    let mut copied = 0;
    let mut at = 0;
    while at < string.len() {
        let start = at;
        at += 1;
        let mut classes = class(string[start]);
        if classes == OTHER {
            continue;
        }
        while at < string.len() && class(string[at]) != OTHER {
            classes |= class(string[at]);
            at += 1;
        }
        if classes & DIGIT == 0 {
            continue;
        }
        if classes & LETTER != 0
            && let Some((first, after)) = only_number(string, start, at)
        {
            put_slot(string, copied..first, shape);
            value(first, after);
            copied = after;
            continue;
        }
        put_slot(string, copied..start, shape);
        value(start, at);
        copied = at;
    }
    shape.extend_from_slice(&string[copied..]);
}

fn put_slot(string: &[u8], text_before: std::ops::Range<usize>, shape: &mut Vec<u8>) {
    shape.extend_from_slice(&string[text_before]);
    shape.push(SLOT);
}

/// Where the digits of a word are, if they are in one place.
fn only_number(string: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let first = start + string[start..end].iter().position(u8::is_ascii_digit)?;
    let len = string[first..end].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let after = first + len;
    (!string[after..end].iter().any(u8::is_ascii_digit)).then_some((first, after))
}

/// A text before a slot that is shorter says too little: what is before it counts as well.
const TEXT_BYTES_MIN: usize = 4;

/// So much of the text before a slot counts.
const TEXT_BYTES_MAX: usize = 16;

/// Calls `each` for each slot of a shape with a number that is the same for slots that are alike.
pub(super) fn contexts(shape: &[u8], mut each: impl FnMut(u64)) {
    let mut context = 0;
    let mut start = 0;
    for (slot, _) in shape.iter().enumerate().filter(|(_, byte)| **byte == SLOT) {
        let text = &shape[start..slot];
        let seed = if text.len() < TEXT_BYTES_MIN { context } else { 0 };
        context = xxh3_64_with_seed(&text[text.len().saturating_sub(TEXT_BYTES_MAX)..], seed);
        each(context);
        start = slot + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(string: &str) -> (String, Vec<&str>) {
        let (mut shape, mut values) = (Vec::new(), Vec::new());
        split(string.as_bytes(), &mut shape, |start, end| values.push(&string[start..end]));
        (String::from_utf8(shape).expect("UTF-8").replace('\u{1a}', "%"), values)
    }

    #[test]
    fn values_are_numbers_and_words_with_numbers() {
        let check = |string, shape: &str, values: &[&str]| {
            assert_eq!(divided(string), (shape.to_owned(), values.to_vec()));
        };
        check("no values here", "no values here", &[]);
        check("took 25ms on shard17.", "took %ms on shard%.", &["25", "17"]);
        check("10.0.0.7:443", "%.%.%.%:%", &["10", "0", "0", "7", "443"]);
        check("id=00ff4a2e-beef", "id=%-beef", &["00ff4a2e"]);
        check("x1y2z 5", "% %", &["x1y2z", "5"]);
        check("größe7", "größ%", &["e7"]);
    }

    #[test]
    fn slots_after_the_same_text_are_alike() {
        let contexts_of = |shape: &str| {
            let mut all = Vec::new();
            contexts(shape.replace('%', "\u{1a}").as_bytes(), |context| all.push(context));
            all
        };
        let (one, other) = (contexts_of("at %:% id=% done"), contexts_of("at %:% user id=%"));
        assert_eq!(one[..2], other[..2]);
        assert_ne!(one[0], one[1]);
        assert_eq!(contexts_of("very long text before id=%"), contexts_of("long text before id=%"));
    }
}
