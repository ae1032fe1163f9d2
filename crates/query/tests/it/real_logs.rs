//! Counts on real logs, compared with a line-by-line search of the files.
//!
//! The logs are not part of the project (their licences allow measuring, not copying): they are
//! read from where `VARVE_SHARED` says, or from beside the checkout; without them the test says
//! that it was skipped.

use std::path::PathBuf;

use varve_query::{Limits, Search, WordQuery, search};
use varve_types::{Record, ShardId, TimestampNs};

use crate::world::{Entry, World};

const LOGS: [&str; 3] = ["loghub_full/Apache", "loghub_2k/BGL_2k", "web/apache_logs"];

/// Lines of a log, or `None` when it is not there.
#[expect(clippy::disallowed_methods, reason = "a test reads its input from the real disk")]
fn lines(name: &str) -> Option<Vec<Vec<u8>>> {
    let folder = std::env::var_os("VARVE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        |shared| PathBuf::from(shared).join("data"),
    );
    let compressed = std::fs::read(folder.join(format!("{name}.log.zst"))).ok()?;
    let text = zstd::decode_all(&compressed[..]).expect("zstd");
    Some(text.split(|&byte| byte == b'\n').take(40_000).map(<[u8]>::to_vec).collect())
}

fn has_word(line: &[u8], word: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    line.split(|&byte| !is_token(byte)).any(|token| token == word.as_bytes())
}

fn has_phrase(line: &[u8], phrase: &str) -> bool {
    line.windows(phrase.len()).any(|window| window == phrase.as_bytes())
}

#[test]
fn counts_are_those_of_a_search_line_by_line() {
    for name in LOGS {
        let Some(lines) = lines(name) else {
            println!("skipped: {name} is not there");
            continue;
        };
        let record = |(at, line): (usize, &Vec<u8>)| Record {
            timestamp: Some(TimestampNs(at as i64)),
            service: "log".into(),
            message: line.clone().into(),
            ..Record::default()
        };
        let records: Vec<Record> = lines.iter().enumerate().map(record).collect();
        let entries: Vec<Entry> = records
            .chunks(10_000)
            .map(|records| Entry { records: records.to_vec(), ..Entry::default() })
            .collect();
        let mut world = World::default();
        world.add_shard(ShardId(1), &entries, entries.len() / 2);
        let folded: Vec<Vec<u8>> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
        let mut found_some = 0;
        for word in ["error", "get", "kernel", "1", "info", "http", "e", "404", "nothing_has_this"]
        {
            let wanted = folded.iter().filter(|line| has_word(line, word)).count();
            assert_eq!(count(&world, word), wanted as u64, "{name}: {word}");
            found_some += usize::from(wanted > 0);
        }
        for phrase in ["error", "er", " - ", ":", "the ", "] [", "200 ", "client denied by"] {
            let wanted = folded.iter().filter(|line| has_phrase(line, phrase)).count();
            assert_eq!(
                count(&world, &format!("\"{phrase}\"")),
                wanted as u64,
                "{name}: {phrase:?}"
            );
            found_some += usize::from(wanted > 0);
        }
        assert!(found_some > 4, "{name}: the questions find too little to show anything");
    }
}

fn count(world: &World, query: &str) -> u64 {
    let words = WordQuery::parse(query).expect("parses");
    let wanted = Search { words, ..Search::default() };
    search(&world.chunks, &wanted, &Limits::default()).expect("answers").total.expect("asked")
}
