//! The canonical encoding of a resource set: one byte string per distinct set, so that equal sets
//! are equal dictionary entries, equal digests and equal bitmap keys.
//!
//! ```text
//! resource  = count:varint attribute*                 names strictly ascending
//! attribute = name length:varint name kind:u8 value
//! value     = nothing (null, empty object) | u8 (bool) | 8 bytes LE (int, float) | length:varint bytes
//! ```

use std::sync::Arc;

use bytes::Bytes;
use varve_types::{Attribute, Resource, Value, ValueKind};

use crate::encoding::varint::{Reader, put_bytes, put_u64};
use crate::error::Malformed;

/// Appends the canonical encoding of a set, which must be sorted by name, names being unique.
pub fn encode_resource(resource: &Resource, out: &mut Vec<u8>) {
    put_u64(out, resource.0.len() as u64);
    for Attribute { name, value } in &resource.0 {
        put_bytes(out, name.as_bytes());
        out.push(value.kind().number());
        match value {
            Value::Null | Value::EmptyObject => {}
            Value::Bool(truth) => out.push(u8::from(*truth)),
            Value::Int(number) => out.extend_from_slice(&number.to_le_bytes()),
            Value::Float(number) => out.extend_from_slice(&number.to_bits().to_le_bytes()),
            Value::Number(text) | Value::Text(text) | Value::Array(text) => {
                put_bytes(out, text.as_bytes());
            }
            Value::Bytes(bytes) => put_bytes(out, bytes),
        }
    }
}

/// Reads a set back, or `None` when the bytes are not the canonical encoding of any.
#[must_use]
pub fn decode_resource(bytes: &[u8]) -> Option<Resource> {
    let mut reader = Reader::new(bytes);
    let resource = read(&mut reader).ok()?;
    reader.end().ok().map(|()| resource)
}

fn read(reader: &mut Reader<'_>) -> Result<Resource, Malformed> {
    // A name's length and a kind: at least two bytes an attribute.
    let count = reader.count(2)?;
    let mut attributes: Vec<Attribute> = Vec::with_capacity(count);
    for _ in 0..count {
        let name: Arc<str> = reader.str()?.into();
        if attributes.last().is_some_and(|previous| previous.name >= name) {
            return Err("a resource's names do not ascend".into());
        }
        let kind =
            ValueKind::from_number(reader.u8()?).ok_or("a resource value has an unknown kind")?;
        attributes.push(Attribute { name, value: read_value(reader, kind)? });
    }
    Ok(Resource(attributes))
}

fn read_value(reader: &mut Reader<'_>, kind: ValueKind) -> Result<Value, Malformed> {
    Ok(match kind {
        ValueKind::Null => Value::Null,
        ValueKind::EmptyObject => Value::EmptyObject,
        ValueKind::Bool => match reader.u8()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err("a truth value is neither 0 nor 1".into()),
        },
        ValueKind::Int => Value::Int(reader.u64()? as i64),
        ValueKind::Float => Value::Float(f64::from_bits(reader.u64()?)),
        ValueKind::Number => Value::Number(reader.str()?.into()),
        ValueKind::Text => Value::Text(reader.str()?.into()),
        ValueKind::Array => Value::Array(reader.str()?.into()),
        ValueKind::Bytes => Value::Bytes(Bytes::copy_from_slice(reader.bytes()?)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_decodes_encodes_again(bytes: Vec<u8>) {
            // Lengths may be padded varints; the values are what counts.
            if let Some(resource) = decode_resource(&bytes) {
                let mut out = Vec::new();
                encode_resource(&resource, &mut out);
                let again = decode_resource(&out).expect("what was encoded decodes");
                prop_assert_eq!(format!("{again:?}"), format!("{resource:?}"));
            }
        }
    }
}
