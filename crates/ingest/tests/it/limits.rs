//! Limits on fields and batches, and bodies that are not text.

use bytes::Bytes;
use expect_test::{Expect, expect};
use varve_ingest::json::{Defaults, Format, decode};
use varve_types::limits::{
    COLUMNS_PER_BATCH_MAX, LEVEL_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, SERVICE_BYTES_MAX,
};
use varve_types::{BatchKey, TenantId};

fn check(body: impl Into<Bytes>, expected: &Expect) {
    let key = BatchKey::parse(TenantId(0), "p:0:1").expect("parses");
    let defaults = Defaults::new(Some("s"), None).expect("a service");
    let decoded = decode(TenantId(0), Some(key), &body.into(), Format::Lines, &defaults);
    expected.assert_eq(&match decoded {
        Ok(decoded) => format!("{} records", decoded.batch.records.len()),
        Err(error) => format!("{:?}: {error}\nhint: {}", error.kind(), error.hint()),
    });
}

#[test]
fn the_largest_fields_are_taken_and_larger_ones_refused() {
    let with = |field: &str, bytes: usize| {
        format!("{{\"message\":\"\",\"{field}\":\"{}\"}}", "x".repeat(bytes))
    };
    check(with("service", SERVICE_BYTES_MAX), &expect!["1 records"]);
    check(
        with("service", SERVICE_BYTES_MAX + 1),
        &expect![[r#"
        Invalid: records[0].service is 513 bytes; at most 512 are taken (line 1, column 25, byte 24)
        hint: make it shorter"#]],
    );
    check(with("level", LEVEL_TEXT_BYTES_MAX), &expect!["1 records"]);
    check(
        with("level", LEVEL_TEXT_BYTES_MAX + 1),
        &expect![[r#"
        Invalid: records[0].level is 257 bytes; at most 256 are taken (line 1, column 23, byte 22)
        hint: make it shorter"#]],
    );
    let message = |bytes: usize| format!("{{\"message\":\"{}\"}}", "x".repeat(bytes));
    check(message(MESSAGE_BYTES_MAX), &expect!["1 records"]);
    check(
        message(MESSAGE_BYTES_MAX + 1),
        &expect![[r#"
        TooLarge: records[0].message is 4194305 bytes; at most 4194304 are taken (line 1, column 12, byte 11)
        hint: cut the message into several records"#]],
    );
    let three = [message(MESSAGE_BYTES_MAX), message(MESSAGE_BYTES_MAX)].join("\n");
    check(
        three,
        &expect![[r#"
        TooLarge: batch is 8388658 bytes decoded; one with a key has at most 8388608
        hint: send smaller batches, each under its own key, or leave the key out"#]],
    );
}

#[test]
fn columns_are_counted_over_the_batch_by_name_and_kind() {
    let records = |count: usize| {
        let record = |at: usize| {
            let (name, value) = (at / 2, if at.is_multiple_of(2) { "1" } else { "true" });
            format!("{{\"message\":\"\",\"metadata\":{{\"same\":0,\"k{name}\":{value}}}}}\n")
        };
        (0..count).map(record).collect::<String>()
    };
    check(records(COLUMNS_PER_BATCH_MAX - 1), &expect!["16383 records"]);
    check(
        records(COLUMNS_PER_BATCH_MAX),
        &expect![[r#"
        TooLarge: records[16383].metadata brings the batch past 16384 distinct names and types
        hint: put what varies into values instead of names, or send smaller batches"#]],
    );
    let members: Vec<String> =
        (0..=COLUMNS_PER_BATCH_MAX).map(|at| format!("\"{at}\":1")).collect();
    check(
        format!("{{\"message\":\"\",\"metadata\":{{{}}}}}", members.join(",")),
        &expect![[r#"
        Invalid: records[0].metadata has more than 16384 values (line 1, column 152765, byte 152764)
        hint: send less metadata per record"#]],
    );
}

#[test]
fn bytes_that_are_not_utf8_are_refused_by_position() {
    check(
        &b"{\"message\":\"ok\"}\n{\"message\":\"\xC3\xA9\xFF\"}"[..],
        &expect![[r#"
        Invalid: body is not UTF-8 (line 2, column 14, byte 31)
        hint: encode the JSON as UTF-8; send other bytes as `message_base64`"#]],
    );
}

#[test]
fn deep_nesting_outside_of_limits_does_not_exhaust_the_stack() {
    let deep = "[".repeat(1 << 20);
    check(
        format!("{{\"x\":{deep}"),
        &expect![[r#"
        Invalid: records[0].x is not a field of a record (line 1, column 6, byte 5) (and 1 more)
        hint: a record's fields are service, level, message, timestamp, metadata, resource, message_base64; put others under `metadata`"#]],
    );
    check(
        format!("{{\"message\":\"\",\"metadata\":{{\"a\":{deep}"),
        &expect![[r#"
        Invalid: records[0].metadata.a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0] is nested deeper than 64 (line 1, column 94, byte 93) (and 1 more)
        hint: send it less deeply nested, or as text"#]],
    );
}

#[test]
fn content_types_name_the_form_of_a_body() {
    let format = |content_type| Format::from_content_type(content_type).map_err(|e| e.to_string());
    for json in [None, Some(""), Some("application/json; charset=UTF-8"), Some("Text/Plain")] {
        assert_eq!(format(json), Ok(Format::Json));
    }
    assert_eq!(format(Some("application/x-ndjson")), Ok(Format::Lines));
    for (other, message) in [
        ("application/xml", "Content-Type \"application/xml\" is not read here"),
        ("application/json;charset=latin1", "Content-Type \"latin1\" is not read here"),
    ] {
        assert_eq!(format(Some(other)), Err(message.to_owned()));
    }
}
