//! One JSON object as a record.
//!
//! | field | members, the first that fits |
//! |---|---|
//! | message | `message`, `msg`, `log`: a string. An object without one is its own message |
//! | level | `level`, `severity`, `lvl`: a string or a number |
//! | timestamp | `timestamp`, `@timestamp`, `time`, `ts`: RFC 3339 or a number of s, ms, µs, ns |
//! | service | `service`: a string |
//!
//! Members of an object `metadata` become attributes under their own names, those of an object
//! `resource` resource attributes, as over HTTP. All other members become attributes with the
//! type they have; nested objects by their path joined with dots.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use varve_types::{Attribute, Level, Record, Resource, TimestampError, TimestampNs, Value, limits};

use crate::recognise::{Clues, whole_time};

/// What a record has where its object says nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Who logged it.
    pub service: Option<Arc<str>>,
    /// How severe it is.
    pub level: Level,
    /// The level as it was spelled, where the table of spellings does not have it.
    pub level_text: Option<Arc<str>>,
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonLineError {
    /// Not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    Encoding(usize),
    /// Not a JSON object.
    #[error("not a JSON object: {0}")]
    Form(String),
    /// No service in the object, and no default.
    #[error("no service: the object has no member `service`; give one with --service")]
    NoService,
    /// A field that cannot be what it should.
    #[error("{field}: {problem}")]
    Field {
        /// Which member.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A time that is none.
    #[error("{field}: {problem}")]
    Time {
        /// Which member.
        field: &'static str,
        /// What is wrong with it.
        problem: TimestampError,
    },
    /// One name twice.
    #[error("{0:?} occurs twice")]
    Duplicate(String),
    /// Nested deeper than records may be.
    #[error("nested deeper than {max} levels", max = limits::METADATA_DEPTH_MAX)]
    Depth,
    /// More attributes than a batch may have columns.
    #[error("{0} attributes are more than {max}", max = limits::COLUMNS_PER_BATCH_MAX)]
    Attributes(usize),
    /// An attribute's name that is too long.
    #[error("an attribute's name of {0} bytes is longer than {max}", max = limits::ATTRIBUTE_NAME_BYTES_MAX)]
    Name(usize),
}

/// Members in the order sent, values as text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// The record that a line stands for.
///
/// # Errors
///
/// Says what is wrong, and where.
pub fn parse_json_line(
    line: &[u8],
    defaults: &Defaults,
    clues: &Clues,
) -> Result<Record, JsonLineError> {
    let text =
        std::str::from_utf8(line).map_err(|error| JsonLineError::Encoding(error.valid_up_to()))?;
    let mut members = parse_members(text)?;
    let message = members.take(&["message", "msg", "log"], string);
    let message =
        message.map_or_else(|| Bytes::copy_from_slice(line), |(_, text)| Bytes::from(text));
    let (level, level_text) = match members.take(&["level", "severity", "lvl"], scalar) {
        None => (defaults.level, defaults.level_text.clone()),
        Some((_, text)) => match Level::from_spelling(&text) {
            Some(level) => (level, None),
            None => (Level::Unknown, Some(text.into())),
        },
    };
    let timestamp = take_time(&mut members, clues)?;
    let service = match members.take(&["service"], string) {
        None => defaults.service.clone().ok_or(JsonLineError::NoService)?,
        Some((_, service)) => checked_service(&service)?,
    };
    let mut resource = Vec::new();
    if let Some((_, inner)) = members.take_object("resource") {
        flatten(&inner?, "", 1, &mut resource)?;
    }
    let mut attributes = Vec::new();
    if let Some((_, inner)) = members.take_object("metadata") {
        flatten(&inner?, "", 1, &mut attributes)?;
    }
    flatten(&members, "", 0, &mut attributes)?;
    let resource = Arc::new(Resource(sorted(resource)?));
    Ok(Record {
        timestamp,
        service,
        level,
        level_text,
        message,
        resource,
        attributes: sorted(attributes)?,
    })
}

/// A service's name as a record may have it.
///
/// # Errors
///
/// When it is empty or longer than [`limits::SERVICE_BYTES_MAX`].
pub fn checked_service(service: &str) -> Result<Arc<str>, JsonLineError> {
    let problem = match service.len() {
        0 => "is empty".to_owned(),
        bytes if bytes > limits::SERVICE_BYTES_MAX => {
            format!("{bytes} bytes are more than {}", limits::SERVICE_BYTES_MAX)
        }
        _ => return Ok(service.into()),
    };
    Err(JsonLineError::Field { field: "service", problem })
}

/// `timestamp` and `@timestamp` can be nothing but times; `time` and `ts` may be something else,
/// and are then attributes.
fn take_time(
    members: &mut Members<'_>,
    clues: &Clues,
) -> Result<Option<TimestampNs>, JsonLineError> {
    for field in ["timestamp", "@timestamp"] {
        if let Some((_, text)) = members.take(&[field], scalar) {
            let time =
                time(&text, clues).map_err(|problem| JsonLineError::Time { field, problem })?;
            return Ok(Some(time));
        }
    }
    let read = |value: &RawValue| scalar(value).and_then(|text| time(&text, clues).ok());
    Ok(members.take(&["time", "ts"], read).map(|(_, time)| time))
}

fn time(text: &str, clues: &Clues) -> Result<TimestampNs, TimestampError> {
    TimestampNs::parse(text).or_else(|error| {
        whole_time(text.trim(), clues).or_else(|| fractional_seconds(text)).ok_or(error)
    })
}

/// `1117838570.123456`, exactly.
fn fractional_seconds(text: &str) -> Option<TimestampNs> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction) && whole.len() <= 10).then_some(())?;
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos).map(TimestampNs)
}

fn parse_members(text: &str) -> Result<Members<'_>, JsonLineError> {
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|error| JsonLineError::Form(problem(&error)))?;
    let mut names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(JsonLineError::Duplicate(pair[0].to_owned())),
        None => Ok(members),
    }
}

/// What is wrong, and in which column; the line is the caller's to name.
fn problem(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    match error.column() {
        0 => what.to_owned(),
        column => format!("{what}, at column {column}"),
    }
}

impl<'a> Members<'a> {
    /// Takes out the first of these members whose value fits.
    fn take<T>(
        &mut self,
        names: &[&str],
        fits: impl Fn(&'a RawValue) -> Option<T>,
    ) -> Option<(String, T)> {
        for name in names {
            let position = self.0.iter().position(|(member, _)| member == name);
            if let Some(position) = position
                && let Some(value) = fits(self.0[position].1)
            {
                return Some((self.0.remove(position).0, value));
            }
        }
        None
    }

    fn take_object(&mut self, name: &str) -> Option<(String, Result<Members<'a>, JsonLineError>)> {
        self.take(&[name], |value| value.get().starts_with('{').then(|| parse_members(value.get())))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn string(value: &RawValue) -> Option<String> {
    value.get().starts_with('"').then(|| serde_json::from_str(value.get()).ok()).flatten()
}

/// A string's text, or a number as it is written.
fn scalar(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'"' => string(value),
        b'-' | b'0'..=b'9' => Some(value.get().to_owned()),
        _ => None,
    }
}

/// Appends an object's members as attributes whose names begin with `path`.
fn flatten(
    members: &Members<'_>,
    path: &str,
    depth: usize,
    attributes: &mut Vec<Attribute>,
) -> Result<(), JsonLineError> {
    if depth > limits::METADATA_DEPTH_MAX {
        return Err(JsonLineError::Depth);
    }
    for (member, value) in &members.0 {
        let mut name = String::with_capacity(path.len() + 1 + member.len());
        name.push_str(path);
        if !path.is_empty() {
            name.push('.');
        }
        for character in member.chars() {
            if matches!(character, '.' | '\\') {
                name.push('\\');
            }
            name.push(character);
        }
        if name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX {
            return Err(JsonLineError::Name(name.len()));
        }
        let text = value.get();
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let inner = parse_members(text)?;
                if !inner.0.is_empty() {
                    flatten(&inner, &name, depth + 1, attributes)?;
                    continue;
                }
                Value::EmptyObject
            }
            Some(b'[') => Value::Array(text.into()),
            Some(b'"') => Value::Text(string(value).ok_or_else(|| unreadable(text))?.into()),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ => number(text),
        };
        attributes.push(Attribute { name: name.into(), value });
    }
    Ok(())
}

/// A string with an escape that stands for no character.
fn unreadable(text: &str) -> JsonLineError {
    let shown: String = text.chars().take(64).collect();
    JsonLineError::Form(format!("the string {shown} has an escape that is no character"))
}

/// The kind of value that prints the number as it is written.
fn number(text: &str) -> Value {
    if let Ok(int) = text.parse::<i64>()
        && int.to_string() == text
    {
        return Value::Int(int);
    }
    match text.parse::<f64>() {
        Ok(float) if format!("{float:?}") == text => Value::Float(float),
        _ => Value::Number(text.into()),
    }
}

fn sorted(mut attributes: Vec<Attribute>) -> Result<Vec<Attribute>, JsonLineError> {
    if attributes.len() > limits::COLUMNS_PER_BATCH_MAX {
        return Err(JsonLineError::Attributes(attributes.len()));
    }
    attributes.sort_by(|a, b| a.name.cmp(&b.name));
    match attributes.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(JsonLineError::Duplicate(pair[0].name.to_string())),
        None => Ok(attributes),
    }
}
