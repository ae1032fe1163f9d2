//! Attributes and their values: lists sorted by name in memory, in any order on the wire.

use std::sync::Arc;

use varve_types::{Attribute, Value};

use crate::intern::Interner;
use crate::{DecodeError, Place, Problem, v1};

/// The attributes of one record or resource, sorted by name. `names` are those of the list
/// decoded before, to guess from; on return they are those of this one, in the order sent.
pub(crate) fn decode_attributes(
    place: Place,
    sent: Vec<v1::Attribute>,
    interner: &mut Interner,
    names: &mut Vec<Arc<str>>,
) -> Result<Vec<Attribute>, DecodeError> {
    let mut attributes = Vec::with_capacity(sent.len());
    let mut sorted = true;
    for (position, attribute) in sent.into_iter().enumerate() {
        let name = interner.intern(&attribute.name, names.get(position));
        match names.get_mut(position) {
            Some(guess) => guess.clone_from(&name),
            None => names.push(Arc::clone(&name)),
        }
        let Some(kind) = attribute.value.and_then(|value| value.kind) else {
            let field = format!("attributes[{position}].value");
            return Err(DecodeError { place, field, problem: Problem::Absent });
        };
        let attribute = Attribute { name, value: decode_value(kind) };
        sorted &= attributes.last().is_none_or(|last: &Attribute| last.name < attribute.name);
        attributes.push(attribute);
    }
    if !sorted {
        attributes.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = attributes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let problem = Problem::DuplicateName(Arc::clone(&pair[0].name));
            return Err(DecodeError { place, field: "attributes".to_owned(), problem });
        }
    }
    Ok(attributes)
}

pub(crate) fn encode_attributes(attributes: &[Attribute]) -> Vec<v1::Attribute> {
    let encode = |attribute: &Attribute| v1::Attribute {
        name: attribute.name.as_ref().to_owned(),
        value: Some(v1::Value { kind: Some(encode_value(&attribute.value)) }),
    };
    attributes.iter().map(encode).collect()
}

fn decode_value(kind: v1::value::Kind) -> Value {
    use v1::value::Kind;
    match kind {
        Kind::Null(_) => Value::Null,
        Kind::Bool(truth) => Value::Bool(truth),
        Kind::Int(int) => Value::Int(int),
        Kind::Float(float) => Value::Float(float),
        Kind::Number(text) => Value::Number(text.into()),
        Kind::Text(text) => Value::Text(text.into()),
        Kind::Bytes(bytes) => Value::Bytes(bytes),
        Kind::EmptyObject(_) => Value::EmptyObject,
        Kind::Array(text) => Value::Array(text.into()),
    }
}

fn encode_value(value: &Value) -> v1::value::Kind {
    use v1::value::Kind;
    match value {
        Value::Null => Kind::Null(true),
        Value::Bool(truth) => Kind::Bool(*truth),
        Value::Int(int) => Kind::Int(*int),
        Value::Float(float) => Kind::Float(*float),
        Value::Number(text) => Kind::Number(text.as_ref().to_owned()),
        Value::Text(text) => Kind::Text(text.as_ref().to_owned()),
        Value::Bytes(bytes) => Kind::Bytes(bytes.clone()),
        Value::EmptyObject => Kind::EmptyObject(true),
        Value::Array(text) => Kind::Array(text.as_ref().to_owned()),
    }
}
