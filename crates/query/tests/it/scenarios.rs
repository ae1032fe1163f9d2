//! Scenario files: small stores, questions and what they answer, as sentences anyone can read.
//!
//! ```text
//! # What the scenario shows.              begins one
//! message TEXT                            a record, numbered from 1; \xNN is a byte
//! attribute NAME KIND VALUE               of the last record
//! resource NAME KIND VALUE                of the last record
//! ask QUERY                               words and phrases
//! where NAME=VALUE                        an attribute filter
//! found N N …                             what the question before answers
//! error at N                              or where it is refused
//! ```
//!
//! Each is played three times: with its records in a block, in a segment, and in both.

use std::sync::Arc;

use varve_query::{AttributeFilter, Limits, Order, Search, WordQuery, search};
use varve_types::{Attribute, Record, ShardId, TimestampNs, Value};

use crate::world::{Entry, World};

#[test]
fn words_and_phrases() {
    play(include_str!("../scenarios/words.txt"));
}

#[test]
fn attributes() {
    play(include_str!("../scenarios/attributes.txt"));
}

fn play(file: &str) {
    for scenario in file.split("\n\n").filter(|scenario| !scenario.trim().is_empty()) {
        for split in [0, 1, 2] {
            play_one(scenario, split);
        }
    }
}

/// `split` says how many of two halves of the records are merged.
fn play_one(scenario: &str, split: usize) {
    let mut records: Vec<Record> = Vec::new();
    let mut asked = String::new();
    for line in scenario.lines() {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "#" => {}
            "message" => records.push(Record {
                timestamp: Some(TimestampNs(records.len() as i64 + 1)),
                service: "test".into(),
                message: unescape(rest).into(),
                ..Record::default()
            }),
            "attribute" => last(&mut records).attributes.push(attribute(rest)),
            "resource" => {
                Arc::make_mut(&mut last(&mut records).resource).0.push(attribute(rest));
            }
            "ask" | "where" => line.clone_into(&mut asked),
            "found" | "error" => {
                let context = format!("in {split} halves merged: {scenario}\n<- {line}");
                assert_eq!(answer(&records, split, &asked), line, "{context}");
            }
            _ => panic!("unknown line {line:?}"),
        }
    }
}

fn last(records: &mut [Record]) -> &mut Record {
    records.last_mut().expect("a message comes first")
}

fn attribute(text: &str) -> Attribute {
    let mut parts = text.splitn(3, ' ');
    let mut next = || parts.next().unwrap_or_default();
    let (name, kind, value) = (next(), next(), next());
    let value = match kind {
        "text" => Value::Text(value.into()),
        "int" => Value::Int(value.parse().expect("an int")),
        "float" => Value::Float(value.parse().expect("a float")),
        "number" => Value::Number(value.into()),
        "bool" => Value::Bool(value.parse().expect("a bool")),
        "array" => Value::Array(value.into()),
        "bytes" => Value::Bytes(unescape(value).into()),
        "null" => Value::Null,
        "object" => Value::EmptyObject,
        _ => panic!("unknown kind {kind:?}"),
    };
    Attribute { name: name.into(), value }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two hex digits"));
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

fn answer(records: &[Record], split: usize, asked: &str) -> String {
    let (verb, rest) = asked.split_once(' ').unwrap_or((asked, ""));
    let mut wanted = Search { order: Order::Oldest, limit: 100, ..Search::default() };
    if verb == "where" {
        let (name, value) = rest.split_once('=').expect("NAME=VALUE");
        let (name, value) = (name.to_owned(), value.to_owned());
        wanted.attributes.push(AttributeFilter { name, value });
    } else {
        match WordQuery::parse(rest) {
            Ok(words) => wanted.words = words,
            Err(error) => return format!("error at {}", error.position()),
        }
    }
    let mut world = World::default();
    let halves = records.split_at(records.len() / 2);
    let entries: Vec<Entry> = [halves.0, halves.1]
        .into_iter()
        .map(|records| Entry { records: records.to_vec(), ..Entry::default() })
        .collect();
    world.add_shard(ShardId(1), &entries, split);
    let result = search(&world.chunks, &wanted, &Limits::default()).expect("answers");
    let numbers: Vec<String> = result
        .hits
        .iter()
        .filter_map(|hit| hit.record.timestamp)
        .map(|time| format!(" {}", time.get()))
        .collect();
    format!("found{}", numbers.concat())
}
