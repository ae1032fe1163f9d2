//! Records as people and programs read them.

use std::io::{self, Write};

use clap::ValueEnum;
use varve_client::StoredRecord;
use varve_ingest::json::{RecordJson, write_attributes};
use varve_types::Value;

use super::own_members::OwnMembers;
use crate::terminal::{Look, Screen};

/// How records are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Time, level, service, message and attributes, a line each
    Text,
    /// One object: logs (as over HTTP) and total
    Json,
    /// One object a line
    Jsonl,
    /// With a heading; metadata as JSON
    Csv,
}

/// Prints one answer.
#[derive(Debug)]
pub(super) struct Printer {
    output: Output,
    screen: Screen,
    /// `None` when nobody counted.
    total: Option<u64>,
    printed: u64,
}

impl Printer {
    pub(super) fn new(output: Output, total: Option<u64>) -> Self {
        Self { output, screen: Screen::stdout(), total, printed: 0 }
    }

    /// How many there are, for standard error.
    pub(super) fn summary(&self) -> String {
        let records = |count| if count == 1 { "record" } else { "records" };
        let printed = self.printed;
        match self.total {
            Some(0) => "no records match".to_owned(),
            None if printed == 0 => "no records match".to_owned(),
            None => format!("{printed} {}; there may be more", records(printed)),
            Some(total) if total == printed => format!("{total} {}", records(total)),
            Some(total) => {
                format!("{printed} of {total} {}; --limit shows more", records(total))
            }
        }
    }

    pub(super) fn begin(&self, out: &mut impl Write) -> io::Result<()> {
        match self.output {
            Output::Json => out.write_all(b"{\"logs\":["),
            Output::Csv => out.write_all(b"timestamp,level,service,message,log_id,metadata\r\n"),
            Output::Text | Output::Jsonl => Ok(()),
        }
    }

    pub(super) fn record(&mut self, out: &mut impl Write, found: &StoredRecord) -> io::Result<()> {
        match self.output {
            Output::Text => self.text(out, found)?,
            Output::Json => {
                out.write_all(if self.printed == 0 { b"\n" } else { b",\n" })?;
                json(out, found)?;
            }
            Output::Jsonl => {
                json(out, found)?;
                out.write_all(b"\n")?;
            }
            Output::Csv => csv(out, found)?,
        }
        self.printed += 1;
        Ok(())
    }

    pub(super) fn end(&self, out: &mut impl Write) -> io::Result<()> {
        match self.output {
            Output::Json => match self.total {
                Some(total) => writeln!(out, "\n],\"total\":{total}}}"),
                None => writeln!(out, "\n],\"total\":null}}"),
            },
            Output::Text | Output::Jsonl | Output::Csv => Ok(()),
        }
    }

    fn text(&self, out: &mut impl Write, found: &StoredRecord) -> io::Result<()> {
        let record = &found.record;
        let time = aligned(&record.timestamp.unwrap_or(found.created_at).to_string());
        self.screen.paint(out, Look::Dim, &format!("{time:<24}"))?;
        let level = record.level_text.as_deref().unwrap_or(record.level.name());
        out.write_all(b" ")?;
        self.screen.paint(out, Look::Level(record.level), &format!("{level:<5}"))?;
        out.write_all(b" ")?;
        self.screen.paint(out, Look::Name, &record.service)?;
        out.write_all(b" ")?;
        self.screen.text(out, &record.message)?;
        let own = OwnMembers::of(&record.message);
        for attribute in record.attributes.iter().filter(|attribute| !own.have(&attribute.name)) {
            let value = plain_value(&attribute.value);
            out.write_all(b" ")?;
            self.screen.paint(out, Look::Dim, &format!("{}={value}", attribute.name))?;
        }
        out.write_all(b"\n")
    }
}

/// A time whose fraction has three, six or nine digits, so that most times of a page line up.
fn aligned(time: &str) -> String {
    match time.strip_suffix('Z').and_then(|time| time.split_once('.')) {
        Some((seconds, fraction)) => {
            let digits = fraction.len().next_multiple_of(3);
            format!("{seconds}.{fraction:0<digits$}Z")
        }
        None => time.to_owned(),
    }
}

/// A value on one line, quoted where it would run into what follows.
fn plain_value(value: &Value) -> String {
    match value {
        Value::Text(text) if text.contains([' ', '"', '=', '\n']) || text.is_empty() => {
            format!("{text:?}")
        }
        Value::Text(text) | Value::Number(text) | Value::Array(text) => text.to_string(),
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Bytes(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Value::EmptyObject => "{}".to_owned(),
    }
}

fn json(out: &mut impl Write, found: &StoredRecord) -> io::Result<()> {
    let json = RecordJson {
        record: &found.record,
        log_id: Some(found.id),
        created_at: Some(found.created_at),
    };
    let mut text = String::new();
    json.write(&mut text);
    out.write_all(text.as_bytes())
}

fn csv(out: &mut impl Write, found: &StoredRecord) -> io::Result<()> {
    let record = &found.record;
    let time = record.timestamp.unwrap_or(found.created_at).to_string();
    let level = record.level_text.as_deref().unwrap_or(record.level.name());
    let mut metadata = String::new();
    write_attributes(&record.attributes, &mut metadata);
    let id = found.id.to_string();
    let cells: [&[u8]; 6] = [
        time.as_bytes(),
        level.as_bytes(),
        record.service.as_bytes(),
        &record.message,
        id.as_bytes(),
        metadata.as_bytes(),
    ];
    for (column, cell) in cells.into_iter().enumerate() {
        if column > 0 {
            out.write_all(b",")?;
        }
        csv_cell(out, cell)?;
    }
    out.write_all(b"\r\n")
}

/// A cell of RFC 4180; its bytes are those of the record.
fn csv_cell(out: &mut impl Write, cell: &[u8]) -> io::Result<()> {
    if !cell.iter().any(|byte| b",\"\r\n".contains(byte)) {
        return out.write_all(cell);
    }
    out.write_all(b"\"")?;
    for (part, piece) in cell.split(|byte| *byte == b'"').enumerate() {
        if part > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(piece)?;
    }
    out.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use varve_types::{
        Attribute, Level, LogIndex, Record, RecordId, RowNumber, ShardId, TimestampNs,
    };

    use super::*;

    fn found() -> StoredRecord {
        let attribute = |name: &str, value| Attribute { name: name.into(), value };
        StoredRecord {
            id: RecordId { shard: ShardId(1), index: LogIndex(2), row: RowNumber(3) },
            created_at: TimestampNs(1_000_000_000),
            record: Record {
                timestamp: Some(TimestampNs(1_500_000_000)),
                service: "shop".into(),
                level: Level::Unknown,
                level_text: Some("loud".into()),
                message: (&b"a \"quoted\" \x1b[31mline\xff"[..]).into(),
                attributes: vec![
                    attribute("a.b", Value::Text("x y".into())),
                    attribute("n", Value::Int(1)),
                ],
                ..Record::default()
            },
        }
    }

    fn printed(output: Output, terminal: bool) -> String {
        let mut printer =
            Printer { output, screen: Screen::of(terminal), total: Some(7), printed: 0 };
        let mut out = Vec::new();
        printer.begin(&mut out).expect("memory");
        printer.record(&mut out, &found()).expect("memory");
        printer.end(&mut out).expect("memory");
        format!("{}| {}\n", out.escape_ascii(), printer.summary())
    }

    #[test]
    fn each_output_has_its_form() {
        let all = [
            printed(Output::Text, false),
            printed(Output::Text, true),
            printed(Output::Json, false),
            printed(Output::Jsonl, false),
            printed(Output::Csv, false),
        ];
        expect![[r#"
            1970-01-01T00:00:01.500Z loud  shop a \"quoted\" \x1b[31mline\xff a.b=\"x y\" n=1\n| 1 of 7 records; --limit shows more
            \x1b[2m1970-01-01T00:00:01.500Z\x1b[0m \x1b[2mloud \x1b[0m \x1b[36mshop\x1b[0m a \"quoted\" \\u{1b}[31mline\xef\xbf\xbd \x1b[2ma.b=\"x y\"\x1b[0m \x1b[2mn=1\x1b[0m\n| 1 of 7 records; --limit shows more
            {\"logs\":[\n{\"log_id\":\"AAAAAAAAAAAACAAAAAAAAAAAAIAAAAAD\",\"timestamp\":\"1970-01-01T00:00:01.5Z\",\"created_at\":\"1970-01-01T00:00:01Z\",\"service\":\"shop\",\"level\":\"UNKNOWN\",\"level_text\":\"loud\",\"message_base64\":\"YSAicXVvdGVkIiAbWzMxbWxpbmX/\",\"metadata\":{\"a\":{\"b\":\"x y\"},\"n\":1}}\n],\"total\":7}\n| 1 of 7 records; --limit shows more
            {\"log_id\":\"AAAAAAAAAAAACAAAAAAAAAAAAIAAAAAD\",\"timestamp\":\"1970-01-01T00:00:01.5Z\",\"created_at\":\"1970-01-01T00:00:01Z\",\"service\":\"shop\",\"level\":\"UNKNOWN\",\"level_text\":\"loud\",\"message_base64\":\"YSAicXVvdGVkIiAbWzMxbWxpbmX/\",\"metadata\":{\"a\":{\"b\":\"x y\"},\"n\":1}}\n| 1 of 7 records; --limit shows more
            timestamp,level,service,message,log_id,metadata\r\n1970-01-01T00:00:01.5Z,loud,shop,\"a \"\"quoted\"\" \x1b[31mline\xff\",AAAAAAAAAAAACAAAAAAAAAAAAIAAAAAD,\"{\"\"a\"\":{\"\"b\"\":\"\"x y\"\"},\"\"n\"\":1}\"\r\n| 1 of 7 records; --limit shows more
        "#]]
        .assert_eq(&all.concat());
    }
}
