//! Scenario files: bodies, and the records or refusals that they become.
//!
//! A case is a line `# what it shows`, a line `json` or `lines` with `service=` and `level=`
//! defaults after it, the body's lines after `| `, and then what comes of it. `UPDATE_EXPECT=1`
//! writes the last part anew.

use std::fmt::Write;

use bytes::Bytes;
use expect_test::{ExpectFile, expect_file};
use varve_ingest::json::{self, Defaults, Format, RecordJson};
use varve_types::TenantId;

#[test]
fn fields() {
    check(include_str!("../scenarios/fields.txt"), &expect_file!["../scenarios/fields.txt"]);
}

#[test]
fn metadata() {
    check(include_str!("../scenarios/metadata.txt"), &expect_file!["../scenarios/metadata.txt"]);
}

#[test]
fn bodies() {
    check(include_str!("../scenarios/bodies.txt"), &expect_file!["../scenarios/bodies.txt"]);
}

fn check(scenarios: &str, file: &ExpectFile) {
    let mut rewritten = Vec::new();
    for case in scenarios.split("\n\n") {
        let mut lines = case.lines();
        let (Some(title), Some(how)) = (lines.next(), lines.next()) else {
            panic!("not a case: {case:?}");
        };
        let body: Vec<&str> = lines
            .map_while(|line| line.strip_prefix('|'))
            .map(|l| l.strip_prefix(' ').unwrap_or(l))
            .collect();
        let mut text = format!("{title}\n{how}\n");
        for line in &body {
            let space = if line.is_empty() { "" } else { " " };
            writeln!(text, "|{space}{line}").expect("writes");
        }
        text.push_str(&outcome(how, &Bytes::from(body.join("\n"))));
        rewritten.push(text.trim_end().to_owned());
    }
    file.assert_eq(&(rewritten.join("\n\n") + "\n"));
}

fn outcome(how: &str, body: &Bytes) -> String {
    let mut words = how.split(' ');
    let format = match words.next() {
        Some("json") => Format::Json,
        Some("lines") => Format::Lines,
        other => panic!("no format: {other:?}"),
    };
    let (mut service, mut level) = (None, None);
    for word in words {
        match word.split_once('=') {
            Some(("service", value)) => service = Some(value),
            Some(("level", value)) => level = Some(value),
            _ => panic!("no default: {word:?}"),
        }
    }
    let batch = Defaults::new(service, level)
        .and_then(|defaults| json::decode(TenantId(0), None, body, format, &defaults));
    let mut text = String::new();
    match batch {
        Ok(json::JsonBatch { batch, single }) => {
            writeln!(text, "{}", if single { "one record" } else { "records" }).expect("writes");
            for record in &batch.records {
                RecordJson { record, log_id: None, created_at: None }.write(&mut text);
                text.push('\n');
                for attribute in &record.attributes {
                    writeln!(text, "  {} = {:?}", attribute.name, attribute.value).expect("writes");
                }
            }
        }
        Err(error) => {
            writeln!(text, "{:?}: {error}", error.kind()).expect("writes");
            for refusal in &error.refusals {
                writeln!(text, "  - {refusal}: {}", refusal.hint).expect("writes");
            }
        }
    }
    text
}
