//! gRPC's `AppendRequest` to a batch, under the same rules as every other way in.

use varve_proto::{DecodeError, Place, RecordDecoder, decode_batch_key, decode_resources, v1};
use varve_types::limits::{
    ATTRIBUTE_NAME_BYTES_MAX, LEVEL_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, SERVICE_BYTES_MAX,
};
use varve_types::{Attribute, Level, Record, TenantId, Value};

use crate::column_count::ColumnCount;
use crate::json::{check_array, parse_number, too_many_columns};
use crate::refusals::Refusals;
use crate::{Batch, ErrorKind, IngestError, Refusal};

/// The batch that a request carries.
///
/// # Errors
///
/// Lists every record that is refused, by index and field (see [`IngestError`]); refuses a
/// malformed key, a malformed table of resources and a batch that is empty or too large.
pub fn decode(tenant: TenantId, request: v1::AppendRequest) -> Result<Batch, IngestError> {
    let key = request.key.as_ref().map(|key| decode_batch_key(tenant, key)).transpose();
    let key = key.map_err(malformed)?;
    let mut resources = decode_resources(request.resources).map_err(malformed)?;
    for (number, resource) in resources.iter_mut().enumerate() {
        check_attributes(&mut resource.0).map_err(|fault| {
            fault.into_refusal(None, |field| format!("resources[{number}].{field}"))
        })?;
    }
    let mut decoder = RecordDecoder::over(resources);
    let mut records = Vec::with_capacity(request.records.len());
    let mut refusals = Refusals::default();
    let mut columns = ColumnCount::default();
    for (index, message) in request.records.into_iter().enumerate() {
        let mut record = match decoder.decode(index, message) {
            Ok(record) => record,
            Err(error) => {
                refusals.push(|| malformed_refusal(error));
                continue;
            }
        };
        if let Err(fault) = check(&mut record) {
            refusals.push(|| fault.into_refusal(Some(index), str::to_owned));
            continue;
        }
        if !columns.add(&record.attributes) {
            refusals.push(|| too_many_columns(index, "attributes"));
            break;
        }
        records.push(record);
    }
    refusals.into_result()?;
    Batch::new(tenant, key, records)
}

/// A value that a record may not have.
struct Fault {
    kind: ErrorKind,
    field: String,
    message: String,
    hint: &'static str,
}

impl Fault {
    fn invalid(field: &str, message: impl Into<String>, hint: &'static str) -> Self {
        let (field, message) = (field.to_owned(), message.into());
        Self { kind: ErrorKind::Invalid, field, message, hint }
    }

    fn into_refusal(self, index: Option<usize>, field: impl Fn(&str) -> String) -> Refusal {
        let field = field(&self.field);
        Refusal { index, ..Refusal::of_request(self.kind, &field, self.message, self.hint) }
    }
}

fn malformed(error: DecodeError) -> IngestError {
    malformed_refusal(error).into()
}

fn malformed_refusal(error: DecodeError) -> Refusal {
    let (index, field) = match error.place {
        Place::Request => (None, error.field),
        Place::Resource(resource) => (None, format!("resources[{resource}].{}", error.field)),
        Place::Record(record) => (Some(record), error.field),
    };
    let hint = "see varve/v1/record.proto for what each field may hold";
    let refusal = Refusal::of_request(ErrorKind::Invalid, &field, error.problem.to_string(), hint);
    Refusal { index, ..refusal }
}

/// Checks a record, and brings its level and its values into the form that other ways in give
/// them, so that the same batch has the same digest.
fn check(record: &mut Record) -> Result<(), Fault> {
    if record.service.is_empty() {
        return Err(Fault::invalid("service", "is empty", "say who logged the record"));
    }
    check_length("service", record.service.len(), SERVICE_BYTES_MAX)?;
    let level_text_bytes = record.level_text.as_ref().map_or(0, |text| text.len());
    check_length("level_text", level_text_bytes, LEVEL_TEXT_BYTES_MAX)?;
    check_length("message", record.message.len(), MESSAGE_BYTES_MAX)
        .map_err(|fault| Fault { kind: ErrorKind::TooLarge, ..fault })?;
    if record.level == Level::Unknown
        && let Some(level) = record.level_text.as_deref().and_then(Level::from_spelling)
    {
        record.level = level;
        record.level_text = None;
    }
    check_attributes(&mut record.attributes)
}

fn check_length(field: &str, bytes: usize, bytes_max: usize) -> Result<(), Fault> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let message = format!("is {bytes} bytes; at most {bytes_max} are taken");
    Err(Fault::invalid(field, message, "make it shorter"))
}

/// Checks names and values, and gives numbers sent as text the kind that other ways in would.
fn check_attributes(attributes: &mut [Attribute]) -> Result<(), Fault> {
    for attribute in attributes {
        if attribute.name.len() > ATTRIBUTE_NAME_BYTES_MAX {
            let field = format!("{}'s name", named(attribute));
            check_length(&field, attribute.name.len(), ATTRIBUTE_NAME_BYTES_MAX)?;
        }
        match &attribute.value {
            Value::Number(text) => {
                attribute.value = parse_number(text).ok_or_else(|| {
                    let hint = "send the number as JSON writes it, or as text";
                    Fault::invalid(&named(attribute), "is not a JSON number", hint)
                })?;
            }
            Value::Array(text) => check_array(text).map_err(|problem| {
                let hint = "send one JSON array, or the value as text";
                Fault::invalid(&named(attribute), problem, hint)
            })?,
            _ => {}
        }
    }
    Ok(())
}

/// An attribute in an error: by name, since sorting has changed its place.
fn named(attribute: &Attribute) -> String {
    format!("attributes.{}", attribute.name.chars().take(64).collect::<String>())
}
