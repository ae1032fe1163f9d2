//! Numbers: kept so that their text comes back as it was sent.

use std::fmt::Write;

use varve_types::Value;

use super::reader::{Reader, Shape};

/// The value of a number's text, which must be a JSON number: an integer or a double where that
/// prints the same text, and the text itself elsewhere.
pub(crate) fn number_value(text: &str, scratch: &mut String) -> Value {
    let whole = !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if whole {
        return match text.parse() {
            Ok(int) if text != "-0" => Value::Int(int),
            _ => Value::Number(text.into()),
        };
    }
    if let Ok(float) = text.parse::<f64>() {
        scratch.clear();
        // Writing to a string does not fail; were it to, the text would be kept.
        if write!(scratch, "{float:?}").is_ok() && scratch == text {
            return Value::Float(float);
        }
    }
    Value::Number(text.into())
}

/// The value of a text, if it is a JSON number and nothing else.
pub(crate) fn parse_number(text: &str) -> Option<Value> {
    let mut reader = Reader::new(text, 0);
    let is_number = reader.shape() == Ok(Shape::Number)
        && reader.at() == 0
        && reader.number().is_ok()
        && reader.at() == text.len();
    is_number.then(|| number_value(text, &mut String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_kind_that_prints_it() {
        let float = |text: &str| Value::Float(text.parse().expect("a float"));
        let number = |text: &str| Value::Number(text.into());
        for (text, value) in [
            ("0", Value::Int(0)),
            ("-7", Value::Int(-7)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("9223372036854775808", number("9223372036854775808")),
            ("-0", number("-0")),
            ("1.5", float("1.5")),
            ("-0.0", float("-0.0")),
            ("1.50", number("1.50")),
            ("1e16", float("1e16")),
            ("1E16", number("1E16")),
            ("1e+16", number("1e+16")),
            ("1e5", number("1e5")),
            ("1e999", number("1e999")),
            ("0.1000000000000000055", number("0.1000000000000000055")),
        ] {
            assert_eq!(parse_number(text), Some(value), "{text}");
        }
        for text in ["", " 1", "1 ", "+1", "01", "1.", "NaN", "inf", "1,2", "\"1\""] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }
}
