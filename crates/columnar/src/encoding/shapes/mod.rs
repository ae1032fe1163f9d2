//! Strings as shapes and values: a log line is mostly what it was before with other numbers.
//!
//! ```text
//! shaped  = length:varint                  of all strings together
//!           count:varint plain             the distinct shapes: texts, in which 0x1A is a slot
//!           ints                           for each slot of each shape its value column
//!           ints                           the shape of each string
//!           column*                        each with as many values as it has slots to fill
//! column  = 0 strings                      values of any kind        (encoding::bytes, not shaped)
//!         | 1 ints                         decimals as short as they can be
//!         | 2 width:u8 ints                decimals of `width` digits, with zeros before them
//!         | 3 width:u8 byte*               lower-case hex of `width` digits, which is even
//! ```
//!
//! Which slots share a column is the writer's choice: those that follow the same text do
//! ([`split`]), so that times or ids of all lines are one run of numbers, whatever else the
//! lines say. A reader needs to know nothing of it. But what a value is, is part of the format,
//! because searches rely on it: a run of ASCII letters and digits with at least one digit. Strings
//! with the byte 0x1A in them are stored as they are.

mod decode;
mod encode;
mod room;
mod skim;
mod split;
mod values;

pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use skim::{Skimmed, skim};

use crate::shaped::SHAPE_SLOT as SLOT;

/// Strings with more values are not stored so: what bounds a reader's memory.
const VALUES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::byte_column::ByteBuffer;
    use crate::encoding::varint::Reader;

    fn encoded(lines: &[Vec<u8>]) -> Option<Bytes> {
        let mut strings = ByteBuffer::default();
        lines.iter().for_each(|line| strings.push(line));
        let mut out = Vec::new();
        encode(&mut out, &strings).then(|| out.into())
    }

    fn decoded(page: &Bytes, count: usize) -> Option<Vec<Vec<u8>>> {
        decoded_of(page, count, None)
    }

    fn decoded_of(page: &Bytes, count: usize, wanted: Option<&[u32]>) -> Option<Vec<Vec<u8>>> {
        let mut reader = Reader::new(page);
        let strings = decode(&mut reader, page, count, wanted).ok()?;
        reader.end().ok()?;
        Some(strings.iter().map(<[u8]>::to_vec).collect())
    }

    /// Lines as they are logged, and some as they are not.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => ("[a-c]{1,3} (id|user)=", any::<u32>(), 0..20u8, "[0-9a-f]{16}").prop_map(
                |(text, id, seconds, trace)| {
                    format!("10:00:{seconds:02} {text}{id} trace={trace}").into_bytes()
                }
            ),
            1 => "[0-9]{0,22} x[0-9]{1,3}y".prop_map(String::into_bytes),
            1 => vec(any::<u8>().prop_map(|byte| if byte == SLOT { 0 } else { byte }), 0..40),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn lines_read_back_and_no_damage_panics(
            lines in vec(line(), 0..120),
            edits in vec((any::<Index>(), any::<u8>()), 1..4),
            random: Vec<u8>,
            step in 1..9usize,
        ) {
            if let Some(page) = encoded(&lines) {
                prop_assert_eq!(decoded(&page, lines.len()), Some(lines.clone()));
                let wanted: Vec<u32> = (0..lines.len() as u32).step_by(step).collect();
                let some = decoded_of(&page, lines.len(), Some(&wanted)).expect("it is whole");
                for (at, line) in lines.iter().enumerate() {
                    let is_wanted = at % step == 0;
                    prop_assert_eq!(&some[at][..], if is_wanted { &line[..] } else { &[] });
                }
                let mut damaged = page.to_vec();
                for (at, byte) in edits {
                    let at = at.index(damaged.len());
                    damaged[at] = byte;
                }
                let _ = decoded(&damaged.into(), lines.len());
            }
            let _ = decoded(&random.into(), lines.len());
        }
    }

    #[test]
    fn strings_with_the_byte_of_a_slot_are_not_divided() {
        assert!(encoded(&[b"took 25 ms".to_vec(), vec![b'7', SLOT]]).is_none());
    }

    #[test]
    fn a_small_page_does_not_claim_large_strings() {
        let lines = vec![b"a long text around 1 number".to_vec(); 100];
        let page = encoded(&lines).expect("it has values");
        assert!(page.len() < 60, "{} bytes", page.len());
        // The length is a varint of two bytes at the front: 2,700. More is refused, and less too.
        for len in [2699u16, 2701] {
            let mut damaged = page.to_vec();
            damaged[..2].copy_from_slice(&[(len & 0x7f) as u8 | 0x80, (len >> 7) as u8]);
            assert_eq!(decoded(&damaged.into(), lines.len()), None);
        }
    }
}
