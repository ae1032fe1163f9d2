//! Scenarios of choosing: the segments of a shard, and what is merged until nothing is due.
//!
//! A line of a scenario gives the shard's state and its segments in the order they were written:
//! size, `/class`, `@hour` of the first event where it is not the order's, `!` for one that is
//! merged for good. What follows is what is chosen, each time as if it had become one segment as
//! large as its inputs together.

use std::fmt::Write as _;

use expect_test::expect_file;
use varve_types::{ContentDigest, LogIndex, RetentionClass, TimestampNs};

use super::*;
use crate::{EventHours, FileHash};

fn parse(number: usize, word: &str) -> SegmentMeta {
    let is_final = word.ends_with('!');
    let word = word.trim_end_matches('!');
    let (word, hour) = word.split_once('@').unwrap_or((word, ""));
    let (size, class) = word.split_once('/').unwrap_or((word, "0"));
    let (digits, unit) = size.split_at(size.len() - 1);
    let unit = if unit == "K" { 1 << 10 } else { 1 << 20 };
    let hour: i64 = hour.parse().unwrap_or(number as i64);
    SegmentMeta {
        name: format!("s{number}"),
        rows: 1,
        digest: ContentDigest::EMPTY,
        min_time: TimestampNs(hour),
        max_time: TimestampNs(hour),
        bytes: digits.parse::<u64>().expect("a size") * unit,
        hash: FileHash::default(),
        first_index: LogIndex(number as u64),
        last_index: LogIndex(number as u64),
        hours: EventHours::default(),
        class: RetentionClass(class.parse().expect("a class")),
        stage: if is_final { Stage::Final } else { Stage::Flushed },
    }
}

fn show(segments: &[SegmentMeta]) -> String {
    let each = segments.iter().map(|segment| {
        let size = match segment.bytes {
            bytes if bytes % (1 << 20) == 0 => format!("{}M", bytes >> 20),
            bytes => format!("{}K", bytes >> 10),
        };
        let class = match segment.class.get() {
            0 => String::new(),
            class => format!("/{class}"),
        };
        let mark = if segment.stage == Stage::Final { "!" } else { "" };
        format!("{size}{class}{mark}")
    });
    let shown = each.collect::<Vec<_>>().join(" ");
    if shown.is_empty() { "nothing".to_owned() } else { shown }
}

/// Merges until nothing is due, and tells.
fn play(state: &str, mut segments: Vec<SegmentMeta>) -> String {
    let (options, closed) = (MergeOptions::default(), state == "closed");
    let mut told = String::new();
    writeln!(told, "waiting {}", waiting(&segments, &options, closed)).expect("writes");
    let mut made = segments.len();
    while let Some(choice) = choose(&segments, &options, closed) {
        assert!(made < 1000, "it never ends");
        let inputs: Vec<SegmentMeta> = choice.inputs.into_iter().cloned().collect();
        let stage = choice.stage;
        assert!(inputs.len() > 1 || stage == Stage::Final, "nothing is gained");
        assert!(inputs.iter().all(|input| input.class == inputs[0].class), "classes are mixed");
        let verb = if stage == Stage::Final { "finish" } else { "merge" };
        writeln!(told, "{verb} {}", show(&inputs)).expect("writes");
        let at = segments.iter().position(|segment| inputs.contains(segment)).expect("is there");
        segments.retain(|segment| !inputs.contains(segment));
        let name = format!("s{made}");
        let bytes = inputs.iter().map(|input| input.bytes).sum();
        segments.insert(at, SegmentMeta { name, bytes, stage, ..inputs[0].clone() });
        made += 1;
    }
    writeln!(told, "left {}", show(&segments)).expect("writes");
    assert_eq!(waiting(&segments, &options, closed), 0, "what waits is merged");
    told
}

#[test]
fn merges_are_chosen_as_the_scenarios_say() {
    let mut told = String::new();
    for scenario in include_str!("../../../tests/scenarios/merges.txt").split("\n\n") {
        let given = |line: &&str| {
            line.starts_with('#') || line.starts_with("open") || line.starts_with("closed")
        };
        for line in scenario.lines().filter(given) {
            writeln!(told, "{line}").expect("writes");
            let mut words = line.split_whitespace();
            let state = words.next().unwrap_or_default();
            if state != "#" {
                let segments = words.enumerate().map(|(number, word)| parse(number, word));
                told += &play(state, segments.collect());
            }
        }
        told.push('\n');
    }
    let told = told.trim_end().to_owned() + "\n";
    expect_file!["../../../tests/scenarios/merges.txt"].assert_eq(&told);
}

/// However many segments come, few are left, and each row is written a few times.
#[test]
fn many_small_segments_become_few_and_none_is_rewritten_often() {
    let options = MergeOptions::default();
    let mut segments: Vec<(SegmentMeta, u32)> = Vec::new();
    let (mut most_segments, mut most_writes) = (0, 0);
    for number in 0..2_000 {
        segments.push((parse(number, "3M"), 1));
        while let Some(choice) = choose(segments.iter().map(|(meta, _)| meta), &options, false) {
            let inputs: Vec<SegmentMeta> = choice.inputs.into_iter().cloned().collect();
            let bytes = inputs.iter().map(|input| input.bytes).sum();
            let of_inputs = segments.iter().filter(|(meta, _)| inputs.contains(meta));
            let writes = 1 + of_inputs.map(|(_, writes)| *writes).max().unwrap_or_default();
            segments.retain(|(meta, _)| !inputs.contains(meta));
            let name = format!("m{number}-{bytes}");
            segments.push((SegmentMeta { name, bytes, ..inputs[0].clone() }, writes));
            most_writes = most_writes.max(writes);
        }
        most_segments = most_segments.max(segments.len());
    }
    assert!(most_writes <= 4, "a row was written {most_writes} times");
    // 6,000 MiB: half of it in segments of 192 MiB and more.
    assert!(most_segments <= 50, "{most_segments} segments");
}
