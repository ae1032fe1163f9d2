//! A full disk: writes are refused with a clear error, searches go on, and room brings writes back.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::server::{Server, binary, data_dir, pause};

/// Small files, so that a small disk will do.
const FLAGS: &[&str] = &["--wal-file-size", "32 MiB", "--wal-reserve-size", "4 MiB"];

#[test]
fn a_full_disk_refuses_writes_answers_searches_and_recovers() {
    let mount = data_dir();
    // A mount of its own, in a namespace of its own: nothing to clean up, whatever happens.
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=160m tmpfs \"$1\" && shift && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(mount.path()).arg(binary()).args(["server", "--data-dir"]);
    command.arg(mount.path().join("data")).args(["--disk-free-min", "16 MiB"]);
    let server = match Server::spawn(command, FLAGS) {
        Ok(server) => server,
        Err(said) if said.contains("unshare") || said.contains("mount") => {
            println!("skipped: this machine allows no mounts: {said}");
            return;
        }
        Err(said) => panic!("{said}"),
    };
    let record = br#"{"service":"a","message":"before the disk was full"}"#;
    assert_eq!(server.post("/api/v1/logs", &[], record).status, 200);

    let seen_here = format!("/proc/{}/root{}", server.pid(), mount.path().display());
    let filler = PathBuf::from(seen_here).join("filler");
    fill_disk(&filler);
    pause(Duration::from_secs(2));
    let refused = server.post("/api/v1/logs", &[], record);
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.error().contains("disk"), "{refused:?}");
    assert!(refused.retry_after.is_some(), "{refused:?}");
    assert_eq!(server.total("query=before"), 1, "searches go on");

    #[expect(clippy::disallowed_methods, reason = "a test frees the room it took")]
    std::fs::remove_file(&filler).expect("removed");
    pause(Duration::from_secs(2));
    let taken = server.post("/api/v1/logs", &[], record);
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(server.total("query=before"), 2);
}

/// Writes zeros until nothing more goes in.
fn fill_disk(path: &std::path::Path) {
    use std::io::Write;
    #[expect(clippy::disallowed_methods, reason = "a test fills a disk of its own")]
    let mut file = std::fs::File::create(path).expect("made");
    let zeros = vec![0; 1 << 20];
    while file.write_all(&zeros).is_ok() {}
}
