//! A JSON object to a record: which fields there are, and what each may hold.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use varve_proto::Interner;
use varve_types::limits::{LEVEL_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, SERVICE_BYTES_MAX};
use varve_types::{Attribute, Level, Record, Resource, TimestampNs};

use super::defaults::{Defaults, LevelAsSent};
use super::fault::{Fault, Stop};
use super::flatten::Flattener;
use super::reader::{Reader, Shape};
use crate::ErrorKind;

/// Resources remembered by their text: a body's records mostly share a few.
const RESOURCES_REMEMBERED: usize = 8;

/// Reads the records of one body.
#[derive(Debug)]
pub(crate) struct RecordReader<'a> {
    body: &'a Bytes,
    defaults: &'a Defaults,
    flattener: Flattener<'a>,
    interner: Interner,
    service: Arc<str>,
    /// Each with the text that it was read from.
    resources: Vec<(&'a str, Arc<Resource>)>,
    no_resource: Arc<Resource>,
}

/// What has been read of a record.
#[derive(Debug, Default)]
struct Draft {
    service: Option<Arc<str>>,
    level: Option<LevelAsSent>,
    message: Option<Bytes>,
    timestamp: Option<TimestampNs>,
    metadata: Vec<Attribute>,
    resource: Option<Arc<Resource>>,
    /// A bit per field that occurred.
    seen: u8,
}

/// The fields that a record may have, in the order of their bits.
const FIELDS: [&str; 7] =
    ["service", "level", "message", "timestamp", "metadata", "resource", "message_base64"];
const MESSAGE: usize = 2;
const MESSAGE_BASE64: usize = 6;

impl<'a> RecordReader<'a> {
    pub(crate) fn new(body: &'a Bytes, defaults: &'a Defaults) -> Self {
        Self {
            body,
            defaults,
            flattener: Flattener::default(),
            interner: Interner::default(),
            service: Arc::default(),
            resources: Vec::new(),
            no_resource: Arc::default(),
        }
    }

    /// Forgets what was gathered to be shared between records, which a refused request does not
    /// need: memory stays in proportion to the body.
    pub(crate) fn forget(&mut self) {
        self.flattener.forget();
        self.interner = Interner::default();
    }

    /// The record that comes next.
    pub(crate) fn record(&mut self, reader: &mut Reader<'a>) -> Result<Record, Stop> {
        let shape = reader.shape()?;
        let start = reader.at();
        if shape != Shape::Object {
            let message = format!("is {}, not an object", shape.name());
            return Err(Stop::invalid(start, "", message, "each record is one JSON object"));
        }
        reader.open();
        let mut draft = Draft::default();
        while let Some(name) = reader.member(draft.seen == 0)? {
            self.field(&mut draft, &name, reader)?;
        }
        self.finish(draft, start)
    }

    fn finish(&self, draft: Draft, start: usize) -> Result<Record, Stop> {
        let missing =
            |field: &str, hint: &'static str| Err(Stop::invalid(start, field, "is missing", hint));
        let Some(service) = draft.service.or_else(|| self.defaults.service.clone()) else {
            return missing(
                "service",
                "say who logged it: in the record, or for all with ?service=",
            );
        };
        let Some(message) = draft.message else {
            return missing("message", "every record has a message, which may be empty");
        };
        let level = draft.level.or_else(|| self.defaults.level.clone()).unwrap_or_default();
        Ok(Record {
            timestamp: draft.timestamp,
            service,
            level: level.level,
            level_text: level.text,
            message,
            resource: draft.resource.unwrap_or_else(|| Arc::clone(&self.no_resource)),
            attributes: draft.metadata,
        })
    }

    fn field(
        &mut self,
        draft: &mut Draft,
        name: &str,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stop> {
        let shape = reader.shape()?;
        let at = reader.at();
        let Some(field) = FIELDS.iter().position(|field| *field == name) else {
            return Err(unknown_field(at, name));
        };
        if draft.seen & 1 << field != 0 {
            let hint = "a field may occur once in a record";
            return Err(Stop::invalid(at, name, "occurs twice", hint));
        }
        draft.seen |= 1 << field;
        if draft.seen & (1 << MESSAGE | 1 << MESSAGE_BASE64) == 1 << MESSAGE | 1 << MESSAGE_BASE64 {
            let hint = "send `message`, or `message_base64` for bytes that are not UTF-8";
            return Err(Stop::invalid(at, name, "is a second message", hint));
        }
        if shape == Shape::Null && !matches!(field, MESSAGE | MESSAGE_BASE64) {
            // The field is there, and says nothing: as if it were absent.
            return Ok(reader.null()?);
        }
        match name {
            "service" => draft.service = Some(self.service(reader, shape)?),
            "level" => draft.level = self.level(reader, shape)?,
            "message" => draft.message = Some(self.message(reader, shape)?),
            "message_base64" => draft.message = Some(message_base64(reader, shape)?),
            "timestamp" => draft.timestamp = Some(timestamp(reader, shape)?),
            "metadata" => draft.metadata = self.metadata(reader, shape)?,
            _ => draft.resource = Some(self.resource(reader, shape)?),
        }
        Ok(())
    }

    fn service(&mut self, reader: &mut Reader<'a>, shape: Shape) -> Result<Arc<str>, Stop> {
        let at = reader.at();
        let service = string("service", reader, shape, "write the service's name as a string")?;
        check_service(at, &service)?;
        self.service = self.interner.intern(&service, Some(&self.service));
        Ok(Arc::clone(&self.service))
    }

    fn level(
        &mut self,
        reader: &mut Reader<'a>,
        shape: Shape,
    ) -> Result<Option<LevelAsSent>, Stop> {
        let at = reader.at();
        let hint = "write the level as a string, for example \"INFO\"";
        let text = string("level", reader, shape, hint)?;
        if let Some(level) = Level::from_spelling(&text) {
            return Ok(Some(LevelAsSent { level, text: None }));
        }
        check_level_text(at, &text)?;
        // An empty spelling says nothing: as if it were absent.
        let text = (!text.is_empty()).then(|| self.interner.intern(&text, None));
        Ok(text.map(|text| LevelAsSent { level: Level::Unknown, text: Some(text) }))
    }

    fn message(&self, reader: &mut Reader<'a>, shape: Shape) -> Result<Bytes, Stop> {
        let at = reader.at();
        let hint = "write the message as a string; put structured data under `metadata`";
        let message = match string("message", reader, shape, hint)? {
            Cow::Borrowed(text) => self.body.slice_ref(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        };
        check_message(at, "message", message)
    }

    fn metadata(&mut self, reader: &mut Reader<'a>, shape: Shape) -> Result<Vec<Attribute>, Stop> {
        check_object("metadata", reader, shape)?;
        self.flattener.object(reader, "metadata")
    }

    fn resource(&mut self, reader: &mut Reader<'a>, shape: Shape) -> Result<Arc<Resource>, Stop> {
        check_object("resource", reader, shape)?;
        // A whole object's text is the beginning of no other object's text.
        if let Some((_, known)) = self.resources.iter().find(|(text, _)| reader.take_exactly(text))
        {
            return Ok(Arc::clone(known));
        }
        let start = reader.at();
        let resource = Arc::new(Resource(self.flattener.object(reader, "resource")?));
        if self.resources.len() == RESOURCES_REMEMBERED {
            self.resources.remove(0);
        }
        self.resources.push((reader.text_since(start), Arc::clone(&resource)));
        Ok(resource)
    }
}

/// Refuses what no service is named.
pub(super) fn check_service(at: usize, service: &str) -> Result<(), Stop> {
    match service.len() {
        0 => Err(Stop::invalid(at, "service", "is empty", "say who logged the record")),
        1..=SERVICE_BYTES_MAX => Ok(()),
        bytes => Err(Stop::too_long(at, "service", bytes, SERVICE_BYTES_MAX)),
    }
}

/// Refuses a level that is a text by mistake.
pub(super) fn check_level_text(at: usize, text: &str) -> Result<(), Stop> {
    if text.len() <= LEVEL_TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(Stop::too_long(at, "level", text.len(), LEVEL_TEXT_BYTES_MAX))
}

fn check_message(at: usize, field: &str, message: Bytes) -> Result<Bytes, Stop> {
    if message.len() <= MESSAGE_BYTES_MAX {
        return Ok(message);
    }
    Err(Stop::Refused(Box::new(Fault {
        kind: ErrorKind::TooLarge,
        at,
        field: field.to_owned(),
        message: format!("is {} bytes; at most {MESSAGE_BYTES_MAX} are taken", message.len()),
        hint: "cut the message into several records".into(),
    })))
}

fn message_base64(reader: &mut Reader<'_>, shape: Shape) -> Result<Bytes, Stop> {
    let at = reader.at();
    let hint = "write the message's bytes in base64, with padding, as a string";
    let text = string("message_base64", reader, shape, hint)?;
    let message = BASE64.decode(text.as_bytes()).map_err(|error| {
        Stop::invalid(at, "message_base64", format!("is not base64: {error}"), hint)
    })?;
    check_message(at, "message_base64", message.into())
}

fn timestamp(reader: &mut Reader<'_>, shape: Shape) -> Result<TimestampNs, Stop> {
    let at = reader.at();
    let hint = "use RFC 3339 (\"2026-01-31T12:00:00Z\") or a whole number of s, ms, µs or ns";
    let text = match shape {
        Shape::Number => Cow::Borrowed(reader.number()?),
        _ => string("timestamp", reader, shape, hint)?,
    };
    TimestampNs::parse(&text)
        .map_err(|error| Stop::invalid(at, "timestamp", format!("is refused: {error}"), hint))
}

fn string<'a>(
    field: &str,
    reader: &mut Reader<'a>,
    shape: Shape,
    hint: &'static str,
) -> Result<Cow<'a, str>, Stop> {
    if shape == Shape::String {
        return Ok(reader.string()?);
    }
    Err(Stop::invalid(reader.at(), field, format!("is {}, not a string", shape.name()), hint))
}

fn check_object(field: &str, reader: &Reader<'_>, shape: Shape) -> Result<(), Stop> {
    if shape == Shape::Object {
        return Ok(());
    }
    let message = format!("is {}, not an object", shape.name());
    Err(Stop::invalid(reader.at(), field, message, "write it as {\"name\": value, …}"))
}

fn unknown_field(at: usize, name: &str) -> Stop {
    let lower = name.to_ascii_lowercase();
    let meant = match lower.trim_start_matches(['@', '_']) {
        "msg" | "message" | "log" | "line" | "text" | "body" => "message",
        "time" | "ts" | "timestamp" | "date" | "datetime" => "timestamp",
        "level" | "lvl" | "severity" | "loglevel" | "log_level" => "level",
        "service" | "service_name" | "servicename" | "app" | "application" => "service",
        "meta" | "metadata" | "attributes" | "fields" | "labels" | "tags" => "metadata",
        "resource" | "resources" => "resource",
        _ => "",
    };
    let hint = if meant.is_empty() {
        format!("a record's fields are {}; put others under `metadata`", FIELDS.join(", "))
    } else {
        format!("did you mean `{meant}`?")
    };
    let shown: String = name.chars().take(64).collect();
    Stop::invalid(at, shown, "is not a field of a record", hint)
}
