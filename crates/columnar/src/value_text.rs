//! The text of an attribute's value in which words are sought.
//!
//! | kind | text |
//! |---|---|
//! | text, number, array | as sent |
//! | int, float | as JSON prints it |
//! | bool | `true` `false` |
//! | bytes, null, empty object | none: nobody wrote them as text |

use std::io::Write;

use varve_types::{Value, ValueKind};

/// The text, given to `with` so that it need not be copied.
pub fn with_word_text<T>(value: &Value, with: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let stored = match value {
        Value::Text(text) | Value::Number(text) | Value::Array(text) => {
            return Some(with(text.as_bytes()));
        }
        Value::Int(int) => *int,
        Value::Float(float) => float.to_bits().cast_signed(),
        Value::Bool(truth) => i64::from(*truth),
        Value::Null | Value::EmptyObject | Value::Bytes(_) => return None,
    };
    let mut text = Vec::new();
    put_number_text(&mut text, value.kind(), stored);
    Some(with(&text))
}

/// Appends the text of a bool, an int or a float, as a column of integers holds it.
pub(crate) fn put_number_text(out: &mut Vec<u8>, kind: ValueKind, stored: i64) {
    let written = match kind {
        ValueKind::Bool => write!(out, "{}", stored != 0),
        ValueKind::Float => write!(out, "{:?}", f64::from_bits(stored.cast_unsigned())),
        _ => write!(out, "{stored}"),
    };
    written.expect("BUG: writing to memory cannot fail");
}
