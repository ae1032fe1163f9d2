//! A data directory that an earlier version left behind after kill -9 is read for ever.
//!
//! `tests/fixtures/data-vN` holds one directory per version of the formats on disk, each file
//! compressed: the log with entries that no segment has, a sealed shard's segments, manifest and
//! dedup file, the catalog and the node's identity. A new version of any of these formats gets a
//! new directory, written by `VARVE_WRITE_FIXTURES=1`; the old ones are never written again.

use std::path::{Path, PathBuf};

use varve_types::limits;

use super::server::{Server, data_dir};

const VERSION: &str = "v2";
const FLAGS: &[&str] = &["--wal-file-size", "32 MiB", "--wal-reserve-size", "1 MiB"];
const KEY: (&str, &str) = ("Idempotency-Key", "old:0:1");
const FIRST: &str = r#"{"service":"a","level":"warn","message":"before the seal","timestamp":1700000000,"metadata":{"n":1,"deep":{"x":[1.0,null]}}}"#;
const SECOND: &str =
    r#"{"service":"b","message":"after the seal","timestamp":1700000001,"resource":{"host":"h1"}}"#;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    let (dirs, files): (Vec<_>, Vec<_>) = found.into_iter().partition(|path| path.is_dir());
    files.into_iter().chain(dirs.iter().flat_map(|dir| self::files(dir))).collect()
}

/// Copies a tree, each file's bytes and name changed by `change`.
#[expect(clippy::disallowed_methods, reason = "a test lays out files")]
fn copy(from: &Path, to: &Path, change: impl Fn(&str, &[u8]) -> (String, Vec<u8>)) {
    for path in files(from) {
        let inside = path.strip_prefix(from).expect("inside").to_str().expect("UTF-8");
        let (name, bytes) = change(inside, &std::fs::read(&path).expect("readable"));
        let target = to.join(name);
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("made");
        std::fs::write(target, bytes).expect("written");
    }
}

fn write_fixture() {
    let dir = data_dir();
    let server = Server::start(dir.path(), FLAGS);
    assert_eq!(server.post("/api/v1/logs", &[KEY], FIRST.as_bytes()).status, 200);
    assert!(server.run(&["cluster", "seal"]).status.success());
    assert_eq!(server.post("/api/v1/logs", &[], SECOND.as_bytes()).status, 200);
    server.kill();
    // The catalogue is a cache, and the lock is of no version.
    std::fs::remove_dir_all(dir.path().join("catalogue")).expect("removed");
    copy(dir.path(), &fixtures().join(format!("data-{VERSION}")), |name, bytes| {
        (format!("{name}.zst"), zstd::encode_all(bytes, 19).expect("in memory"))
    });
}

/// How long ago a record was stored.
fn age_ns(log: &serde_json::Value) -> i64 {
    let stored = log["created_at"].as_str().expect("when it was stored");
    let stored: jiff::Timestamp = stored.parse().expect("a time");
    let now = varve_env::Env::real().clock.now();
    now.get() - i64::try_from(stored.as_nanosecond()).expect("in this age")
}

#[test]
fn what_every_earlier_version_left_behind_is_read_as_it_was_written() {
    if std::env::var_os("VARVE_WRITE_FIXTURES").is_some() {
        write_fixture();
    }
    let versions: Vec<PathBuf> = std::fs::read_dir(fixtures())
        .expect("fixtures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(versions.iter().any(|path| path.ends_with(format!("data-{VERSION}"))));
    for version in versions {
        let dir = data_dir();
        copy(&version, dir.path(), |name, bytes| {
            let name = name.strip_suffix(".zst").expect("compressed");
            (name.to_owned(), zstd::decode_all(bytes).expect("zstd"))
        });
        let server = Server::start(dir.path(), FLAGS);
        let logs = server.all("");
        assert_eq!(logs.len(), 2, "{}", version.display());
        for (log, sent) in logs.iter().zip([FIRST, SECOND]) {
            let sent: serde_json::Value = serde_json::from_str(sent).expect("JSON");
            assert_eq!(log["message"], sent["message"]);
            assert_eq!(log["metadata"], *sent.get("metadata").unwrap_or(&serde_json::json!({})));
            assert_eq!(log.get("resource"), sent.get("resource"));
        }
        // A producer is remembered for seven days: then a batch of it is a new one.
        let is_remembered = age_ns(&logs[0]) < limits::PRODUCER_IDLE_NS;
        let again = server.post("/api/v1/logs", &[KEY], FIRST.as_bytes());
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(again.json()["duplicate"] == true, is_remembered, "{again:?}");
        assert_eq!(server.total(""), if is_remembered { 2 } else { 3 });
    }
}
