//! Records as answers show them: the inverse of reading them.
//!
//! Metadata comes back equal to what was sent as JSON: names are taken apart into members again.
//! Two things cannot come from JSON, and have a form of their own: names that no object can
//! hold together (`a` beside `a.b`, which other protocols may send) are all written flat, each
//! under its full, escaped name; bytes are written in base64, and doubles that JSON has no number
//! for as the strings "NaN", "Infinity" and "-Infinity".

use std::fmt::Write;

use data_encoding::BASE64;
use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;
use varve_types::{Attribute, Record, RecordId, TimestampNs, Value};

use super::path::members;

/// One record, with what the server knows about it. Serializes as a JSON object.
#[derive(Clone, Copy, Debug)]
pub struct RecordJson<'a> {
    /// What was sent.
    pub record: &'a Record,
    /// The record's name, once it is stored.
    pub log_id: Option<RecordId>,
    /// When it was stored.
    pub created_at: Option<TimestampNs>,
}

impl RecordJson<'_> {
    /// Appends the record as a JSON object.
    pub fn write(&self, json: &mut String) {
        let record = self.record;
        json.push('{');
        if let Some(id) = self.log_id {
            member(json, "log_id", &id.to_string());
            json.push(',');
        }
        if let Some(time) = record.timestamp {
            member(json, "timestamp", &time.to_string());
            json.push(',');
        }
        if let Some(time) = self.created_at {
            member(json, "created_at", &time.to_string());
            json.push(',');
        }
        member(json, "service", &record.service);
        json.push(',');
        member(json, "level", record.level.name());
        if let Some(text) = &record.level_text {
            json.push(',');
            member(json, "level_text", text);
        }
        json.push(',');
        match std::str::from_utf8(&record.message) {
            Ok(message) => member(json, "message", message),
            Err(_) => member(json, "message_base64", &BASE64.encode(&record.message)),
        }
        json.push_str(",\"metadata\":");
        write_attributes(&record.attributes, json);
        if !record.resource.0.is_empty() {
            json.push_str(",\"resource\":");
            write_attributes(&record.resource.0, json);
        }
        json.push('}');
    }
}

impl Serialize for RecordJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = String::with_capacity(256 + self.record.message.len());
        self.write(&mut json);
        RawValue::from_string(json).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Appends attributes, sorted by name, as a JSON object.
pub fn write_attributes(attributes: &[Attribute], json: &mut String) {
    json.push('{');
    let rewind = json.len();
    if !write_nested(attributes, json) {
        json.truncate(rewind);
        write_flat(attributes, json);
    }
    json.push('}');
}

fn write_flat(attributes: &[Attribute], json: &mut String) {
    for (place, attribute) in attributes.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        write_string(json, &attribute.name);
        json.push(':');
        write_value(json, &attribute.value);
    }
}

/// Appends the members, nested as their names say; `false` when they exclude each other.
///
/// Sorting brings all names that begin with one path and a dot together, so every object is
/// opened once.
fn write_nested(attributes: &[Attribute], json: &mut String) -> bool {
    // The paths of the objects that are open, from the outside in.
    let mut open: Vec<&str> = Vec::new();
    let mut first = true;
    for attribute in attributes {
        let Some(members) = members(&attribute.name) else {
            return false;
        };
        let Some(((leaf, _), objects)) = members.split_last() else {
            return false;
        };
        let common = open.iter().zip(objects).take_while(|(open, (_, path))| *open == path).count();
        for _ in open.drain(common..) {
            json.push('}');
        }
        if !first {
            json.push(',');
        }
        first = false;
        for (member, path) in &objects[common..] {
            let taken = attributes.binary_search_by(|other| (*other.name).cmp(path)).is_ok();
            if taken {
                return false;
            }
            write_string(json, member);
            json.push_str(":{");
            open.push(path);
        }
        write_string(json, leaf);
        json.push(':');
        write_value(json, &attribute.value);
    }
    for _ in open {
        json.push('}');
    }
    true
}

fn write_value(json: &mut String, value: &Value) {
    match value {
        Value::Null => json.push_str("null"),
        Value::Bool(truth) => json.push_str(if *truth { "true" } else { "false" }),
        Value::Int(int) => write_display(json, format_args!("{int}")),
        Value::Float(float) if float.is_finite() => write_display(json, format_args!("{float:?}")),
        Value::Float(float) if float.is_nan() => json.push_str("\"NaN\""),
        Value::Float(float) if *float > 0.0 => json.push_str("\"Infinity\""),
        Value::Float(_) => json.push_str("\"-Infinity\""),
        Value::Number(text) => json.push_str(text),
        // White space between elements: a record is one line, wherever lines are records.
        Value::Array(text) => json.push_str(&text.replace(['\n', '\r'], " ")),
        Value::Text(text) => write_string(json, text),
        Value::Bytes(bytes) => write_string(json, &BASE64.encode(bytes)),
        Value::EmptyObject => json.push_str("{}"),
    }
}

fn member(json: &mut String, name: &str, value: &str) {
    write_string(json, name);
    json.push(':');
    write_string(json, value);
}

fn write_display(json: &mut String, text: std::fmt::Arguments<'_>) {
    json.write_fmt(text).expect("BUG: writing to a string failed");
}

fn write_string(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        json.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            b'\n' => json.push_str("\\n"),
            b'\r' => json.push_str("\\r"),
            b'\t' => json.push_str("\\t"),
            control => write_display(json, format_args!("\\u{control:04x}")),
        }
        rest = &rest[at + 1..];
    }
    json.push_str(rest);
    json.push('"');
}
