//! Lines of files, as `varve send` makes records of them.

use std::sync::Arc;

use varve_client::PlainLines;
use varve_client::json_line::{Defaults, parse_json_line};
use varve_client::recognise::{Clues, recognise, whole_time};
use varve_types::{Level, TimestampNs};

use crate::script::Script;
use crate::{Memory, Target};

/// Messages are cut from a buffer that is made once for many lines.
const MEMORY: Memory = Memory { bytes: 512 << 10, per_byte: 256 };

/// A line, behind a zone and a year.
pub(super) const PLAIN_LINE: Target = Target {
    name: "plain_line",
    run: |input| {
        let mut script = Script::new(input);
        let clues = clues(&mut script);
        let line = script.rest();
        let found = recognise(line, &clues);
        assert_eq!(recognise(line, &clues), found, "a line sent again is another");
        if let Ok(text) = std::str::from_utf8(line) {
            let _ = whole_time(text, &clues);
        }
        let record = PlainLines::new(Arc::from("service"), None, clues).record(line);
        assert_eq!(record.timestamp, found.time);
    },
    mend: None,
    memory: MEMORY,
};

/// A JSON object, behind a zone and a year.
pub(super) const JSON_LINE: Target = Target {
    name: "json_line",
    run: |input| {
        let mut script = Script::new(input);
        let clues = clues(&mut script);
        let defaults = Defaults { service: None, level: Level::Unknown, level_text: None };
        if let Ok(record) = parse_json_line(script.rest(), &defaults, &clues) {
            assert!(record.attributes.is_sorted_by(|a, b| a.name < b.name), "a name twice");
            assert!(record.resource.0.is_sorted_by(|a, b| a.name < b.name), "a name twice");
        }
    },
    mend: None,
    memory: MEMORY,
};

/// Zones are whole quarters of an hour, and clocks may be anywhere.
fn clues(script: &mut Script<'_>) -> Clues {
    let quarters = i32::from(script.byte().cast_signed());
    let years = i64::from(script.byte().cast_signed());
    let now = TimestampNs(1_700_000_000_000_000_000 + years * 31_556_952_000_000_000);
    Clues { offset_seconds: quarters * 900, now }
}
