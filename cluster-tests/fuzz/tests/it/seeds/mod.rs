//! The corpus: inputs that mean something, where fuzzers begin. To write those that are made here:
//! VARVE_WRITE_CORPUS=1 (make fuzz-corpus).
//!
//! A folder has two kinds of files: `seed-NN`, made here of valid values, and files with other
//! names, each of which once broke a promise. Only the first are ever rewritten.

mod log;
mod protocols;
mod stored;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

use varve_fuzz::TARGETS;

/// All inputs together stay a small part of the repository.
const CORPUS_BYTES_MAX: usize = 1 << 20;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// A file of another crate's tests, from the project's root.
#[expect(clippy::disallowed_methods, reason = "fixtures are files")]
fn fixture(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The stored inputs of a target, by name.
#[expect(clippy::disallowed_methods, reason = "the corpus is files")]
pub(crate) fn corpus_of(name: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(folder(name)) else { return Vec::new() };
    let mut inputs: Vec<_> = files
        .map(|file| {
            let file = file.expect("the corpus is readable");
            let bytes = fs::read(file.path()).expect("the corpus is readable");
            (file.file_name().into_string().expect("names are text"), bytes)
        })
        .collect();
    inputs.sort();
    inputs
}

/// Pieces of an input, each behind its length in two bytes.
fn chunks<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let chunk = |piece: &[u8]| {
        let len = u16::try_from(piece.len()).expect("a seed is short");
        [&len.to_le_bytes()[..], piece].concat()
    };
    pieces.into_iter().flat_map(chunk).collect()
}

/// What fuzzers begin with.
fn seeds_of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "wal_recovery" => log::files(),
        "wal_records" => log::scripts(),
        "block" => vec![varve_fuzz::sound_tables()[0].clone()],
        "segment" => vec![varve_fuzz::sound_tables()[1].clone()],
        "table_page" => varve_fuzz::sound_pieces(false),
        "table_section" => varve_fuzz::sound_pieces(true),
        "manifest" => stored::manifests(),
        "dedup" => vec![stored::dedup()],
        "event_hours" => stored::event_hours(),
        "outcome" => stored::outcomes(),
        "shard_log" => stored::logs(),
        "consensus_message" => protocols::messages(),
        "catalog_news" => protocols::news(),
        "catalog_file" => protocols::catalog_files(),
        "identity_file" => texts::identities(),
        "peer_frames" => protocols::frames(),
        "peer_introduction" => protocols::introductions(),
        "query_fragment" => protocols::fragments(),
        "query_reply" => protocols::replies(),
        "grpc_question" => protocols::questions(),
        "http_parameters" => texts::parameters(),
        "word_query" => texts::words(),
        "http_json" => texts::bodies(),
        "grpc_append" => protocols::appends(),
        "content_encoding" => stored::compressed(),
        "plain_line" => texts::lines(),
        "json_line" => texts::objects(),
        "identifiers" => texts::identifiers(),
        "configuration" => texts::configurations(),
        "history" => texts::histories(),
        other => panic!("say what fuzzers of {other} begin with"),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is files")]
fn write_the_seeds() {
    for target in TARGETS {
        let seeds = seeds_of(target.name);
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        seeds.iter().for_each(|seed| target.check(seed));
        if std::env::var_os("VARVE_WRITE_CORPUS").is_none() {
            continue;
        }
        let folder = folder(target.name);
        fs::create_dir_all(&folder).expect("the corpus can be written");
        for (name, _) in corpus_of(target.name) {
            if name.starts_with("seed-") {
                fs::remove_file(folder.join(name)).expect("the corpus can be written");
            }
        }
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)
                .expect("the corpus can be written");
        }
    }
}

#[test]
fn the_corpus_is_small_and_each_folder_is_a_targets() {
    let folders = fs::read_dir(folder("")).expect("the corpus is there");
    let mut bytes = 0;
    for name in folders.map(|folder| folder.expect("a folder").file_name()) {
        let name = name.into_string().expect("names are text");
        assert!(TARGETS.iter().any(|target| target.name == name), "there is no target {name}");
        bytes += corpus_of(&name).iter().map(|(_, input)| input.len()).sum::<usize>();
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes: keep fewer inputs, and shorter ones");
}
