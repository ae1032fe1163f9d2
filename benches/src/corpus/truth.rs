//! What is true of a corpus: counted while it is made, row by row, apart from how rows are chosen.

use std::collections::VecDeque;

use memchr::memmem;

use super::{DAY_START_MS, Level, Row};

/// A word of about every third row.
pub const FREQUENT_WORD: &str = "request";
/// A phrase of about one row in 25, everywhere.
pub const PHRASE: &str = "connection reset by peer";
/// How many rows are marked with a word of their own.
pub const PROBES: usize = 20;
/// How many of the newest rows with the frequent word are remembered.
pub const NEWEST: usize = 100;

const HOUR_MS: u64 = 3_600_000;
const HOURS: usize = 24;

/// The answers.
#[derive(Debug)]
pub struct Truth {
    /// All rows.
    pub rows: u64,
    /// Of messages.
    pub raw_bytes: u64,
    /// Information of all choices.
    pub bits: f64,
    /// Rows by level, as in [`Level::ALL`].
    pub levels: [u64; 4],
    /// Rows by the service's rank.
    pub services: Vec<u64>,
    /// Rows that have [`PHRASE`].
    pub phrase_rows: u64,
    /// Rows that have [`FREQUENT_WORD`].
    pub frequent_rows: u64,
    /// When the last of them happened, the newest first.
    pub newest_ms: VecDeque<u64>,
    /// Words that exactly one row has.
    pub words: Vec<String>,
    /// Traces, with the number of their rows.
    pub traces: Vec<Watched>,
    errors: Vec<u64>,
}

/// A trace that is asked for.
#[derive(Debug)]
pub struct Watched {
    id: [u64; 2],
    /// Rows that have it: those of a trace, unless the corpus ends before.
    pub rows: u64,
}

impl Watched {
    /// As it stands in messages.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:016x}{:016x}", self.id[0], self.id[1])
    }
}

impl Truth {
    pub(super) fn new(services: usize) -> Self {
        Self {
            rows: 0,
            raw_bytes: 0,
            bits: 0.0,
            levels: [0; 4],
            services: vec![0; services],
            phrase_rows: 0,
            frequent_rows: 0,
            newest_ms: VecDeque::new(),
            words: Vec::new(),
            traces: Vec::new(),
            errors: vec![0; services * HOURS],
        }
    }

    /// Rows of level ERROR that a service has in an hour of the day.
    #[must_use]
    pub fn errors(&self, service: usize, hour: usize) -> u64 {
        self.errors[service * HOURS + hour]
    }

    pub(super) fn watch(&mut self, id: [u64; 2]) {
        self.traces.push(Watched { id, rows: 0 });
    }

    pub(super) fn count(&mut self, row: &Row, trace: [u64; 2]) {
        self.rows += 1;
        self.raw_bytes += row.message.len() as u64;
        self.levels[row.level as usize] += 1;
        self.services[row.service] += 1;
        if row.level == Level::Error {
            let hour = ((row.timestamp_ms - DAY_START_MS) / HOUR_MS) as usize;
            self.errors[row.service * HOURS + hour] += 1;
        }
        let line = row.message.as_bytes();
        self.phrase_rows += u64::from(memmem::find(line, PHRASE.as_bytes()).is_some());
        if memmem::find(line, FREQUENT_WORD.as_bytes()).is_some() {
            self.frequent_rows += 1;
            self.newest_ms.push_front(row.timestamp_ms);
            self.newest_ms.truncate(NEWEST);
        }
        if let Some(watched) = self.traces.iter_mut().rev().find(|watched| watched.id == trace) {
            watched.rows += 1;
        }
    }
}
