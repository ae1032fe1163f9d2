//! What is recognised in lines of every form, and what never is.

use expect_test::expect_file;
use proptest::prelude::*;
use varve_client::PlainLines;
use varve_client::recognise::{Clues, recognise};
use varve_types::TimestampNs;

const SCENARIO: &str = include_str!("../scenarios/times_and_levels.txt");

fn clues() -> Clues {
    Clues { offset_seconds: 0, now: TimestampNs::parse("2024-06-15T12:00:00Z").expect("a time") }
}

#[test]
fn every_form_of_time_and_level_is_recognised() {
    let mut table = String::new();
    for line in SCENARIO.lines() {
        if line.starts_with('#') {
            table += &format!("{line}\n");
            continue;
        }
        let found = recognise(line.as_bytes(), &clues());
        let time = found.time.map_or("-".to_owned(), |time| time.to_string());
        let level = found.level.map_or("-", |level| level.name());
        let shown: String = line.chars().take(60).collect();
        table += &format!("{time:<30} {level:<5} {}\n", shown.escape_debug());
    }
    expect_file!["../scenarios/times_and_levels.recognised.txt"].assert_eq(&table);
}

#[test]
fn a_zone_that_is_not_written_is_the_clue_s() {
    let clues = Clues { offset_seconds: 2 * 3600, ..clues() };
    let time = |line: &str| recognise(line.as_bytes(), &clues).time.expect("a time").to_string();
    assert_eq!(time("2024-01-02 03:04:05 a"), "2024-01-02T01:04:05Z");
    assert_eq!(time("2024-01-02 03:04:05Z a"), "2024-01-02T03:04:05Z");
    assert_eq!(time("Jan  2 00:00:00 host a"), "2024-01-01T22:00:00Z");
    assert_eq!(time("1117838570 a"), "2005-06-03T22:42:50Z");
}

/// Pieces that forms are made of, so that near misses are common.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,20}",
        "[ \\[\\](){}<>:./,|=\"'+-]{1,2}",
        "Jan|Feb|Thu|UTC|Z|T|AM|PM|audit|level",
        "INFO|error|Warn|LOG|[A-Z]|[a-z]{1,9}",
        "\\PC{0,3}",
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_line_panics_and_none_is_altered(line in pieces(), noise in proptest::collection::vec(any::<u8>(), 0..80), cut in 0_usize..80) {
        let mut line = line.into_bytes();
        line.truncate(cut.max(1));
        line.extend_from_slice(&noise);
        let record = PlainLines::new("s".into(), None, clues()).record(&line);
        prop_assert_eq!(&record.message[..], &line[..]);
        prop_assert!(record.attributes.is_empty() && record.level_text.is_none());
    }

    #[test]
    fn a_time_is_read_as_it_was_written(ns: i64) {
        let time = TimestampNs(ns);
        let line = format!("{time} x");
        prop_assert_eq!(recognise(line.as_bytes(), &clues()).time, Some(time));
    }
}
