//! Damaged and missing files: noticed, named, never served.

use std::path::{Path, PathBuf};

use super::server::{Server, data_dir};

const ROWS: u64 = 2_000;

/// Fills a data directory with segments, a tail and a log, and stops the server.
fn fill(dir: &Path) {
    let server = Server::start(dir, &[]);
    for half in 0..2 {
        let body: String = (0..ROWS / 2)
            .map(|row| {
                format!("{{\"service\":\"s{}\",\"message\":\"row {half} {row}\"}}\n", row % 7)
            })
            .collect();
        let headers = [("Content-Type", "application/x-ndjson")];
        let answer = server.post("/api/v1/logs", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        if half == 0 {
            assert!(server.run(&["cluster", "seal"]).status.success());
        }
    }
    assert_eq!(server.total(""), ROWS);
    server.stop();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The catalogue is a cache: damage to it is another test's. A lock has no content.
fn is_truth(path: &Path) -> bool {
    let of_cache = path.components().any(|part| part.as_os_str() == "catalogue");
    !of_cache && path.file_name().is_some_and(|name| name != "LOCK")
}

#[expect(clippy::disallowed_methods, reason = "a test damages files")]
fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("read");
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn a_flipped_bit_in_any_file_is_named_or_harmless_and_never_served() {
    let dir = data_dir();
    fill(dir.path());
    let mut noticed = 0;
    for path in files(dir.path()).into_iter().filter(|path| is_truth(path)) {
        let len = path.metadata().expect("metadata").len() as usize;
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        for at in [20, 90, len / 3, len / 2, len.saturating_sub(10)] {
            if at >= len {
                continue;
            }
            // Every case starts from the same bytes: a server writes to what it finds.
            let copy = data_dir();
            copy_tree(dir.path(), copy.path());
            let damaged = copy.path().join(path.strip_prefix(dir.path()).expect("inside"));
            flip(&damaged, at);
            noticed += u32::from(is_noticed(copy.path(), &name, at));
        }
    }
    assert!(noticed > 0, "no damage at all was noticed");
}

/// Whether a server named the damaged file. When it did not, it must answer everything right.
fn is_noticed(dir: &Path, name: &str, at: usize) -> bool {
    let server = match Server::try_start(dir, &[]) {
        Ok(server) => server,
        Err(said) => {
            assert!(said.contains(name), "{name} at {at}: the refusal does not name it: {said}");
            return true;
        }
    };
    // A word that no dictionary answers makes the search read the messages.
    let answer = server.get("/api/v1/logs/search?page_size=10000&query=row");
    if answer.status != 200 {
        let said = format!("{}{}", answer.body, server.said());
        assert!(said.contains(name), "{name} at {at}: the error does not name it: {said}");
        return true;
    }
    let answer = answer.json();
    assert_eq!(answer["total"], ROWS, "{name} at {at}: a wrong answer; {}", server.said());
    let logs = answer["logs"].as_array().expect("logs");
    let right = |log: &serde_json::Value| {
        log["message"].as_str().is_some_and(|message| message.starts_with("row "))
    };
    assert!(logs.len() as u64 == ROWS && logs.iter().all(right), "{name} at {at}: damage served");
    false
}

fn copy_tree(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).expect("inside"));
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("made");
        std::fs::copy(&path, &target).expect("copied");
    }
}

#[test]
fn a_second_server_on_the_same_data_directory_is_refused() {
    let dir = data_dir();
    let _first = Server::start(dir.path(), &[]);
    let Err(said) = Server::try_start(dir.path(), &[]) else { panic!("a second server started") };
    assert!(said.contains("in use by another server"), "{said}");
    assert!(said.contains(dir.path().to_str().expect("UTF-8")), "{said}");
}

#[test]
fn a_catalogue_that_is_gone_or_damaged_is_rebuilt_and_the_node_says_so() {
    let dir = data_dir();
    fill(dir.path());
    let catalogue = dir.path().join("catalogue");

    std::fs::remove_dir_all(&catalogue).expect("removed");
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.total(""), ROWS);
    assert!(server.said().contains("catalogue"), "{}", server.said());
    server.stop();

    for path in files(&catalogue) {
        let len = path.metadata().expect("metadata").len() as usize;
        #[expect(clippy::disallowed_methods, reason = "a test damages files")]
        std::fs::write(&path, vec![0x5A; len.max(64)]).expect("written");
    }
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.total(""), ROWS);
    assert!(server.said().contains("catalogue"), "{}", server.said());
    server.stop();

    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.total(""), ROWS);
    assert!(!server.said().contains("rebuilt"), "a sound catalogue: {}", server.said());
}

#[test]
fn a_shard_that_does_not_open_is_named_and_shows_what_it_last_held() {
    let dir = data_dir();
    fill(dir.path());
    let is_manifest = |path: &&PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().contains("manifest"))
    };
    let manifest = files(dir.path()).iter().find(is_manifest).cloned().expect("a manifest");
    flip(&manifest, 40);

    let server = Server::start(dir.path(), &[]);
    let status = server.run(&["cluster", "status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let shards = status["shards"].as_array().expect("shards");
    let damaged: Vec<_> = shards.iter().filter(|shard| shard["problem"].is_string()).collect();
    assert_eq!(damaged.len(), 1, "{status:#}");
    assert_eq!(damaged[0]["rows"], ROWS / 2, "{status:#}");
    let problem = damaged[0]["problem"].as_str().expect("text");
    assert!(problem.contains(manifest.to_str().expect("UTF-8")), "{problem}");

    let refused = server.get("/api/v1/logs/search");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("manifest"), "{refused:?}");
    let taken = server.post("/api/v1/logs", &[], br#"{"service":"a","message":"goes on"}"#);
    assert_eq!(taken.status, 200, "{taken:?}");
}
