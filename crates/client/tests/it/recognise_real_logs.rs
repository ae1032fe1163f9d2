//! Real logs of many systems: nearly every line that has a time gets it, and quickly.
//!
//! The logs lie beside the checkout and are not part of it; without them the test says skipped.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use varve_client::lines::{Line, Lines};
use varve_client::recognise::{Clues, recognise};
use varve_types::TimestampNs;

/// Streams whose lines have times, but for stack traces and the like.
const STREAMS: [&str; 23] = [
    "loghub_2k/Android_2k",
    "loghub_2k/Apache_2k",
    "loghub_2k/BGL_2k",
    "loghub_2k/HDFS_2k",
    "loghub_2k/HPC_2k",
    "loghub_2k/Hadoop_2k",
    "loghub_2k/HealthApp_2k",
    "loghub_2k/Linux_2k",
    "loghub_2k/Mac_2k",
    "loghub_2k/OpenSSH_2k",
    "loghub_2k/OpenStack_2k",
    "loghub_2k/Proxifier_2k",
    "loghub_2k/Spark_2k",
    "loghub_2k/Thunderbird_2k",
    "loghub_2k/Windows_2k",
    "loghub_2k/Zookeeper_2k",
    "loghub_full/Apache",
    "loghub_full/Linux",
    "loghub_cut/HDFS_20000",
    "web/apache_logs",
    "web/zanbil_access_a",
    "db/pg_syslog",
    "db/pgbouncer",
];

/// Where every line also says its level.
const LEVELLED: [&str; 9] = [
    "loghub_2k/Android_2k",
    "loghub_2k/Apache_2k",
    "loghub_2k/BGL_2k",
    "loghub_2k/HDFS_2k",
    "loghub_2k/Hadoop_2k",
    "loghub_2k/OpenStack_2k",
    "loghub_2k/Spark_2k",
    "loghub_2k/Windows_2k",
    "loghub_2k/Zookeeper_2k",
];

fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    data.is_dir().then_some(data)
}

/// Of all lines: how many have a time, how many a level.
fn count(file: &Path) -> (usize, usize, usize) {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own input")]
    let compressed = std::fs::read(file).expect("the file is there");
    let mut bytes = Vec::new();
    zstd::Decoder::new(&compressed[..]).expect("zstd").read_to_end(&mut bytes).expect("zstd");
    let clues = Clues { offset_seconds: 0, now: TimestampNs(1_700_000_000_000_000_000) };
    let mut lines = Lines::new(BufReader::with_capacity(1 << 16, &bytes[..]));
    let (mut all, mut timed, mut levelled) = (0, 0, 0);
    while let Some((_, line)) = lines.next_line().expect("reads memory") {
        let Line::Text(text) = line else { continue };
        let found = recognise(text, &clues);
        all += 1;
        timed += usize::from(found.time.is_some());
        levelled += usize::from(found.level.is_some());
    }
    (all, timed, levelled)
}

#[test]
fn nearly_every_line_of_real_logs_gets_its_time() {
    let Some(data) = data() else {
        println!("skipped: the shared logs are not beside this checkout");
        return;
    };
    for stream in STREAMS {
        let (all, timed, levelled) = count(&data.join(format!("{stream}.log.zst")));
        println!("{stream}: {timed} times and {levelled} levels in {all} lines");
        // One in thirteen lines of this stream is what a module printed, without a time.
        let share = if stream == "loghub_full/Apache" { 92 } else { 95 };
        assert!(timed * 100 >= all * share, "{stream}: {timed} of {all} lines have a time");
        if LEVELLED.contains(&stream) {
            assert!(levelled * 100 >= all * 95, "{stream}: {levelled} of {all} have a level");
        }
    }
}
