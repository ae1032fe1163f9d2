//! JSON objects as records: which member becomes which field, and what is refused.

use std::fmt::Write;

use expect_test::expect;
use varve_client::json_line::{Defaults, parse_json_line};
use varve_client::recognise::Clues;
use varve_types::{Attribute, Level, Record, TimestampNs};

fn parse(line: &str) -> Result<Record, String> {
    let defaults =
        Defaults { service: Some("default".into()), level: Level::Info, level_text: None };
    let clues = Clues { offset_seconds: 0, now: TimestampNs(1_700_000_000_000_000_000) };
    parse_json_line(line.as_bytes(), &defaults, &clues).map_err(|error| error.to_string())
}

fn shown(line: &str) -> String {
    let record = match parse(line) {
        Ok(record) => record,
        Err(error) => return format!("refused: {error}\n"),
    };
    let time = record.timestamp.map_or("-".to_owned(), |time| time.to_string());
    let level = record.level_text.as_deref().unwrap_or(record.level.name());
    let message = String::from_utf8_lossy(&record.message);
    let mut text = format!("{time} {level} {} {message:?}", record.service);
    let show = |text: &mut String, attributes: &[Attribute]| {
        for Attribute { name, value } in attributes {
            write!(text, "\n    {name} = {value:?}").expect("writes to a string");
        }
    };
    show(&mut text, &record.attributes);
    if !record.resource.0.is_empty() {
        text += "\n  resource";
        show(&mut text, &record.resource.0);
    }
    text + "\n"
}

#[test]
fn members_become_fields_and_attributes_with_their_types() {
    let lines = [
        r#"{"message":"m","level":"warning","timestamp":"2024-01-02T03:04:05Z","service":"s"}"#,
        r#"{"log":"l\n","severity":"loud","time":1117838570.25,"b":{"x.y":{"z":1},"e":{}},"a":[1, "x"]}"#,
        r#"{"msg":"m","lvl":30,"ts":"12ms","n":null,"t":true,"i":-0,"f":1.0,"g":1.10,"h":1e400,"big":9223372036854775808}"#,
        r#"{"@timestamp":"2017-05-16 00:00:00,008","message":{"not":"a string"},"metadata":{"k":"v"},"resource":{"host":"h"}}"#,
        r#"{"id.orig_h":"10.0.0.1","metadata":"a text","resource":[],"timestamp":null}"#,
    ];
    let table: String = lines.iter().map(|line| shown(line)).collect();
    expect![[r#"
        2024-01-02T03:04:05Z WARN s "m"
        2005-06-03T22:42:50.25Z loud default "l\n"
            a = Array("[1, \"x\"]")
            b.e = EmptyObject
            b.x\.y.z = Int(1)
        - 30 default "m"
            big = Number("9223372036854775808")
            f = Float(1.0)
            g = Number("1.10")
            h = Number("1e400")
            i = Number("-0")
            n = Null
            t = Bool(true)
            ts = Text("12ms")
        2017-05-16T00:00:00.008Z INFO default "{\"@timestamp\":\"2017-05-16 00:00:00,008\",\"message\":{\"not\":\"a string\"},\"metadata\":{\"k\":\"v\"},\"resource\":{\"host\":\"h\"}}"
            k = Text("v")
            message.not = Text("a string")
          resource
            host = Text("h")
        - INFO default "{\"id.orig_h\":\"10.0.0.1\",\"metadata\":\"a text\",\"resource\":[],\"timestamp\":null}"
            id\.orig_h = Text("10.0.0.1")
            metadata = Text("a text")
            resource = Array("[]")
            timestamp = Null
    "#]]
    .assert_eq(&table);
}

#[test]
fn what_is_no_record_is_refused_with_its_reason() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(70), "}".repeat(70));
    let long = format!(r#"{{"{}":1}}"#, "k".repeat(1100));
    let lines = [
        "plain text",
        "[1]",
        r#"{"a":1"#,
        r#"{"a":1} {"b":2}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1},"a":{"c":2}}"#,
        r#"{"metadata":{"k":1},"k":2}"#,
        r#"{"timestamp":"yesterday"}"#,
        r#"{"timestamp":99999999999999999999}"#,
        r#"{"service":""}"#,
        r#"{"a":"\ud800"}"#,
        &deep,
        &long,
    ];
    let table: String = lines.iter().map(|line| shown(line)).collect();
    expect![[r#"
        refused: not a JSON object: expected value, at column 1
        refused: not a JSON object: invalid type: sequence, expected an object
        refused: not a JSON object: EOF while parsing an object, at column 6
        refused: not a JSON object: trailing characters, at column 9
        refused: "a" occurs twice
        refused: "a" occurs twice
        refused: "k" occurs twice
        refused: timestamp: time "yesterday" is neither RFC 3339 (2026-01-31T12:00:00Z) nor a whole number of s, ms, µs or ns since 1970
        refused: timestamp: time "99999999999999999999" is outside 1677-09-22 to 2262-04-11
        refused: service: is empty
        refused: not a JSON object: the string "\ud800" has an escape that is no character
        refused: nested deeper than 64 levels
        refused: an attribute's name of 1100 bytes is longer than 1024
    "#]]
    .assert_eq(&table);
    let bytes = b"{\"a\":\"\xff\"}";
    let defaults = Defaults { service: None, level: Level::Unknown, level_text: None };
    let clues = Clues { offset_seconds: 0, now: TimestampNs(0) };
    let refusal =
        |line: &[u8]| parse_json_line(line, &defaults, &clues).expect_err("refused").to_string();
    assert_eq!(refusal(bytes), "not UTF-8 at byte 6");
    assert!(refusal(b"{}").starts_with("no service"));
}
