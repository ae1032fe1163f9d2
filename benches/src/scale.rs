//! How much is measured: all of it, a minute's worth, or just enough to see that it works.

use std::time::Duration;

/// Rows, runs and repetitions.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// What the report calls it.
    pub name: &'static str,
    /// Rows of about 200 B that a throughput run sends.
    pub short_rows: u64,
    /// Rows of about 1 KB that a throughput run sends.
    pub long_rows: u64,
    /// Runs whose median is reported, each on a fresh server.
    pub runs: usize,
    /// Rows that the questions are asked of.
    pub stored_rows: u64,
    /// How often each question is asked.
    pub repetitions: usize,
    /// Rows that three nodes are sent to find out what they take for long.
    pub sustained_rows: u64,
    /// How long batches arrive at half of the full load.
    pub half_load: Duration,
    /// Windows that a cluster at rest has sealed.
    pub sealed_windows: usize,
    /// How long a cluster at rest is watched.
    pub idle: Duration,
    /// Leaders that are killed.
    pub failovers: usize,
    /// Real streams of at most so many raw bytes are sent.
    pub stream_bytes_max: u64,
}

impl Scale {
    /// What the figures of docs/benchmarks.md are measured with.
    pub const FULL: Self = Self {
        name: "full",
        short_rows: 2_000_000,
        long_rows: 500_000,
        runs: 3,
        stored_rows: 5_000_000,
        repetitions: 40,
        sustained_rows: 8_000_000,
        half_load: Duration::from_secs(20),
        sealed_windows: 17,
        idle: Duration::from_secs(30),
        failovers: 7,
        stream_bytes_max: u64::MAX,
    };

    /// About a minute.
    pub const QUICK: Self = Self {
        name: "quick",
        short_rows: 500_000,
        long_rows: 120_000,
        runs: 1,
        stored_rows: 1_000_000,
        repetitions: 20,
        sustained_rows: 2_000_000,
        half_load: Duration::from_secs(5),
        sealed_windows: 3,
        idle: Duration::from_secs(10),
        failovers: 3,
        stream_bytes_max: 6_000_000,
    };

    /// For the test that the harness works: its figures mean nothing.
    pub const TINY: Self = Self {
        name: "tiny",
        short_rows: 4_000,
        long_rows: 1_000,
        runs: 1,
        stored_rows: 6_000,
        repetitions: 20,
        sustained_rows: 8_000,
        half_load: Duration::from_millis(300),
        sealed_windows: 1,
        idle: Duration::from_secs(1),
        failovers: 1,
        stream_bytes_max: 0,
    };
}
