//! A body of `POST /api/v1/logs` to a batch.

use bytes::Bytes;
use varve_types::limits::COLUMNS_PER_BATCH_MAX;
use varve_types::{BatchKey, Record, TenantId};

use super::fault::Stop;
use super::reader::{Malformed, Reader, Shape};
use super::record_reader::RecordReader;
use super::{Defaults, Format};
use crate::column_count::ColumnCount;
use crate::refusals::Refusals;
use crate::{Batch, ErrorKind, IngestError, Position, Refusal};

/// A batch, and how it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonBatch {
    /// The records.
    pub batch: Batch,
    /// The body was one record by itself, not an array or lines: it is answered by itself.
    pub single: bool,
}

/// The batch that a (decompressed) body holds.
///
/// # Errors
///
/// Lists every record that is refused, by index, field and position (see [`IngestError`]);
/// refuses a body that is not UTF-8, that holds no records, or that is too large for its key.
pub fn decode(
    tenant: TenantId,
    key: Option<BatchKey>,
    body: &Bytes,
    format: Format,
    defaults: &Defaults,
) -> Result<JsonBatch, IngestError> {
    let text = std::str::from_utf8(body).map_err(|error| Refusal {
        position: Some(Position::of(body, error.valid_up_to())),
        ..Refusal::of_request(
            ErrorKind::Invalid,
            "body",
            "is not UTF-8",
            "encode the JSON as UTF-8; send other bytes as `message_base64`",
        )
    })?;
    let mut decoding = Decoding {
        body,
        reader: RecordReader::new(body, defaults),
        records: Vec::new(),
        next: 0,
        columns: ColumnCount::default(),
        refusals: Refusals::default(),
    };
    // A byte order mark says nothing in UTF-8; some editors write one.
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let single = match format {
        Format::Json => decoding.json(Reader::new(text, start)),
        Format::Lines => {
            decoding.lines(text, start);
            Ok(false)
        }
    };
    let single = single.unwrap_or(false);
    decoding.refusals.into_result()?;
    let batch = Batch::new(tenant, key, decoding.records)?;
    Ok(JsonBatch { batch, single })
}

/// Nothing more can be read; why is among the refusals.
struct Stopped;

struct Decoding<'a> {
    body: &'a Bytes,
    reader: RecordReader<'a>,
    records: Vec<Record>,
    /// The index of the next record.
    next: usize,
    columns: ColumnCount,
    refusals: Refusals,
}

impl<'a> Decoding<'a> {
    /// Reads a body of JSON; whether it is one record by itself.
    fn json(&mut self, mut text: Reader<'a>) -> Result<bool, Stopped> {
        if !text.has_more() {
            return Ok(false);
        }
        let shape = text.shape().or_else(|malformed| self.stop(None, malformed.into()))?;
        if shape != Shape::Array {
            while text.has_more() {
                self.record(&mut text)?;
            }
            return Ok(self.next == 1);
        }
        text.open();
        let mut first = true;
        while text.element(first).or_else(|malformed| self.stop(None, malformed.into()))? {
            first = false;
            self.record(&mut text)?;
        }
        if text.has_more() {
            let what = "more follows the end of the array";
            return self.stop(None, Malformed { at: text.at(), what }.into());
        }
        Ok(false)
    }

    /// Reads one record a line. A line that is not JSON does not stop the ones after it.
    fn lines(&mut self, text: &'a str, mut start: usize) {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
        for end in ends {
            let mut line = Reader::new(&text[..end], start);
            start = end + 1;
            if !line.has_more() {
                continue;
            }
            let index = self.next;
            match self.record(&mut line) {
                Err(Stopped) if self.columns.is_over() => return,
                Err(Stopped) => {}
                Ok(()) if line.has_more() => {
                    let what = "more follows the record on its line";
                    let more = Malformed { at: line.at(), what };
                    self.refusals.push(|| Stop::from(more).into_refusal(self.body, Some(index)));
                }
                Ok(()) => {}
            }
        }
    }

    /// Reads one record, or takes note of why it is refused and steps over it.
    fn record(&mut self, text: &mut Reader<'a>) -> Result<(), Stopped> {
        let index = self.next;
        self.next += 1;
        let start = text.clone();
        match self.reader.record(text) {
            Ok(record) => {
                if !self.columns.add(&record.attributes) {
                    self.refusals.push(|| too_many_columns(index, "metadata"));
                    return Err(Stopped);
                }
                self.records.push(record);
                Ok(())
            }
            Err(Stop::Refused(fault)) => {
                let refused = Stop::Refused(fault);
                self.refusals.push(|| refused.into_refusal(self.body, Some(index)));
                self.reader.forget();
                self.records.clear();
                *text = start;
                text.skip().or_else(|malformed| self.stop(Some(index), malformed.into()))
            }
            Err(malformed) => self.stop(Some(index), malformed),
        }
    }

    fn stop<T>(&mut self, index: Option<usize>, stop: Stop) -> Result<T, Stopped> {
        self.refusals.push(|| stop.into_refusal(self.body, index));
        Err(Stopped)
    }
}

/// The refusal of the record with which a batch has too many columns.
pub(crate) fn too_many_columns(index: usize, field: &str) -> Refusal {
    let message = format!("brings the batch past {COLUMNS_PER_BATCH_MAX} distinct names and types");
    let hint = "put what varies into values instead of names, or send smaller batches";
    Refusal { index: Some(index), ..Refusal::of_request(ErrorKind::TooLarge, field, message, hint) }
}
