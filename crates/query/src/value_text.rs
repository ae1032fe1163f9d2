//! The canonical text of an attribute's value, and which values a given text stands for.
//!
//! | kind | text |
//! |---|---|
//! | text, number, array | as sent |
//! | int, float | as JSON prints it |
//! | bool, null, empty object | `true` `false`, `null`, `{}` |
//! | bytes | base64 with padding |
//!
//! A filter `NAME=text` compares this text. Words are sought in it too, but for the kinds that
//! nobody wrote as text: null, the empty object (which has no word anyway) and bytes.

use data_encoding::BASE64;
use varve_types::{Value, ValueKind};

use crate::needle::Needle;

/// The values of each kind whose canonical text is one given text.
#[derive(Debug)]
pub(crate) struct ValueFilter {
    text: String,
    int: Option<i64>,
    float: Option<f64>,
    bytes: Option<Vec<u8>>,
}

impl ValueFilter {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            int: text.parse().ok().filter(|int: &i64| int.to_string() == text),
            float: text.parse().ok().filter(|float: &f64| format!("{float:?}") == text),
            bytes: BASE64.decode(text.as_bytes()).ok(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether some value of this kind has the text: otherwise its column need not be read.
    pub(crate) fn may_be(&self, kind: ValueKind) -> bool {
        match kind {
            ValueKind::Text => true,
            ValueKind::Null => self.text == "null",
            ValueKind::EmptyObject => self.text == "{}",
            ValueKind::Bool => self.text == "true" || self.text == "false",
            ValueKind::Int => self.int.is_some(),
            ValueKind::Float => self.float.is_some(),
            ValueKind::Bytes => self.bytes.is_some(),
            ValueKind::Array => self.text.starts_with('['),
            ValueKind::Number => self.text.bytes().any(|byte| byte.is_ascii_digit()),
        }
    }

    /// Whether a bool, an int or a float, as a column of integers holds it, has the text.
    pub(crate) fn is_integer(&self, kind: ValueKind, stored: i64) -> bool {
        match kind {
            ValueKind::Bool => self.text == if stored == 0 { "false" } else { "true" },
            ValueKind::Float => self.is_float(f64::from_bits(stored.cast_unsigned())),
            _ => self.int == Some(stored),
        }
    }

    /// Every NaN prints alike.
    fn is_float(&self, value: f64) -> bool {
        self.float.is_some_and(|float| {
            float.to_bits() == value.to_bits() || float.is_nan() && value.is_nan()
        })
    }

    /// The bytes of a cell of this kind that has the text.
    pub(crate) fn cell(&self, kind: ValueKind) -> Option<&[u8]> {
        match kind {
            ValueKind::Bytes => self.bytes.as_deref(),
            _ => Some(self.text.as_bytes()),
        }
    }

    /// Whether a value has the text.
    pub(crate) fn is_value(&self, value: &Value) -> bool {
        match value {
            Value::Text(text) | Value::Number(text) | Value::Array(text) => **text == *self.text,
            Value::Int(int) => self.int == Some(*int),
            Value::Float(float) => self.is_float(*float),
            Value::Bool(bool) => self.text == bool.to_string(),
            Value::Bytes(bytes) => self.bytes.as_deref() == Some(bytes),
            Value::Null | Value::EmptyObject => self.may_be(value.kind()),
        }
    }
}

/// Whether some value of this kind may have the word: otherwise its column need not be read.
pub(crate) fn word_may_be_in(word: &Needle, kind: ValueKind) -> bool {
    let bytes = word.bytes();
    match kind {
        ValueKind::Text | ValueKind::Array => true,
        ValueKind::Bool => bytes == b"true" || bytes == b"false",
        ValueKind::Int => bytes.iter().all(u8::is_ascii_digit),
        // Digits, an exponent, and what a double says of no number.
        ValueKind::Number | ValueKind::Float => {
            bytes.iter().all(|byte| byte.is_ascii_digit() || b"einfa".contains(byte))
        }
        ValueKind::Null | ValueKind::EmptyObject | ValueKind::Bytes => false,
    }
}

/// Which bools, ints or floats, as a column of integers holds them, have the word.
pub(crate) fn integers_with_word(word: &Needle, kind: ValueKind) -> impl Fn(i64) -> bool {
    let text = String::from_utf8_lossy(word.bytes()).into_owned();
    let magnitude = text.parse().ok().filter(|number: &u64| number.to_string() == text);
    move |stored| match kind {
        ValueKind::Bool => text == if stored == 0 { "false" } else { "true" },
        ValueKind::Float => {
            let mut shown = format!("{:?}", f64::from_bits(stored.cast_unsigned()));
            shown.make_ascii_lowercase();
            word.is_in(shown.as_bytes())
        }
        // The sign is no part of the token.
        _ => magnitude == Some(stored.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use varve_columnar::with_word_text;

    use super::*;

    fn text_of(value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::EmptyObject => "{}".to_owned(),
            Value::Bytes(bytes) => BASE64.encode(bytes),
            _ => with_word_text(value, |text| String::from_utf8(text.to_vec()).expect("text"))
                .expect("has text"),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            Just(Value::EmptyObject),
            any::<bool>().prop_map(Value::Bool),
            (-3..3i64).prop_map(Value::Int),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_map(Value::Float),
            (-3..3i32).prop_map(|n| Value::Float(f64::from(n))),
            prop::sample::select(vec![f64::NAN, -f64::NAN, -0.0, f64::INFINITY, 1e300])
                .prop_map(Value::Float),
            prop::sample::select(vec!["1.50", "-0", "1E5", "99999999999999999999"])
                .prop_map(|text| Value::Number(text.into())),
            prop::sample::select(vec![
                "1", "-1", "null", "true", "{}", "[1]", "aGk=", "", "2.0", "NaN"
            ])
            .prop_map(|text| Value::Text(text.into())),
            prop::sample::select(vec!["[1]", "[ true,\"a b\"]"])
                .prop_map(|text| Value::Array(text.into())),
            Just(Value::Bytes(Bytes::from_static(b"hi"))),
            Just(Value::Bytes(Bytes::new())),
        ]
    }

    fn stored(value: &Value) -> Option<i64> {
        match value {
            Value::Bool(bool) => Some(i64::from(*bool)),
            Value::Int(int) => Some(*int),
            Value::Float(float) => Some(float.to_bits().cast_signed()),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn a_value_is_found_by_its_text_and_by_no_other(left in values(), right in values()) {
            let (text, kind) = (text_of(&left), right.kind());
            let filter = ValueFilter::new(&text);
            let same = text == text_of(&right);
            prop_assert_eq!(filter.is_value(&right), same);
            prop_assert!(!same || filter.may_be(kind));
            if let Some(stored) = stored(&right) {
                prop_assert_eq!(filter.is_integer(kind, stored), same);
            }
        }

        #[test]
        fn words_of_numbers_are_those_of_their_text(
            value in values(),
            word in "[0-9]{1,2}|true|false|nan|inf|null|1e300|9223372036854775808",
        ) {
            let needle = Needle::word(&word);
            let wanted = with_word_text(&value, |text| needle.is_in(&text.to_ascii_lowercase()));
            let wanted = wanted.unwrap_or(false);
            prop_assert!(!wanted || word_may_be_in(&needle, value.kind()));
            if let Some(stored) = stored(&value) {
                prop_assert_eq!(integers_with_word(&needle, value.kind())(stored), wanted);
            }
        }
    }
}
