//! A seeded corpus: a day of logs of 1,000 services, as like the real thing as random choices make
//! it, with the truth about it for checking answers.
//!
//! Services are zipfian, and each writes some of 300 templates; fields are ids, addresses,
//! durations; a trace id of 32 hex digits is in four rows near each other in time, whichever
//! services they fall to. The time is the record's timestamp, in ms, and not in its message. All
//! choices go through [`Random`], which sums up their information: no store can hold the corpus in
//! fewer bits.

mod template;
mod truth;
mod words;

use std::ops::Range;

use crate::random::{Random, Weights};
use template::{Field, Piece, Template};
pub use truth::{FREQUENT_WORD, NEWEST, PHRASE, PROBES, Truth, Watched};

/// 2026-01-15T00:00:00Z, where the corpus begins.
pub const DAY_START_MS: u64 = 1_768_435_200_000;
/// How long it lasts.
pub const DAY_MS: u64 = 86_400_000;

const SERVICES: u32 = 1_000;
const TEMPLATES: usize = 300;
/// Traces that are under way at a time.
const TRACES: usize = 8;
const ROWS_PER_TRACE: u32 = 4;

/// How large lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSize {
    /// About 200 B.
    Short,
    /// About 1 KB.
    Long,
}

/// The levels that the corpus uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 15 % of rows.
    Debug,
    /// 72 %.
    Info,
    /// 9 %.
    Warn,
    /// 4 %.
    Error,
}

impl Level {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];
    const WEIGHTS: [f64; 4] = [15.0, 72.0, 9.0, 4.0];
    /// Templates of this level, of all and of one service.
    const TEMPLATES: [usize; 4] = [60, 150, 50, 40];
    const TEMPLATES_PER_SERVICE: [usize; 4] = [3, 6, 2, 2];

    /// As the API spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

const _: () = assert!(
    Level::TEMPLATES[0] + Level::TEMPLATES[1] + Level::TEMPLATES[2] + Level::TEMPLATES[3]
        == TEMPLATES
);

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Its service's rank, from 0: the most frequent.
    pub service: usize,
    /// Its level.
    pub level: Level,
    /// When it happened.
    pub timestamp_ms: u64,
    /// Its line.
    pub message: String,
}

struct Trace {
    id: [u64; 2],
    rows_left: u32,
}

/// Makes rows in the order of time.
pub struct Corpus {
    random: Random,
    templates: Vec<Template>,
    /// By service and level, which templates.
    used: Vec<[Vec<usize>; 4]>,
    services: Weights,
    levels: Weights,
    magnitudes: Weights,
    statuses: Weights,
    traces: Vec<Trace>,
    timestamp_ms: u64,
    gap_ms: u64,
    rows: u64,
    made: u64,
    truth: Truth,
}

/// The name of the service with this rank.
#[must_use]
pub fn service_name(rank: usize) -> String {
    let kind = words::SERVICES[rank % words::SERVICES.len()];
    format!("{kind}-{rank:03}")
}

impl Corpus {
    /// A corpus of this many rows.
    #[must_use]
    pub fn new(seed: u64, size: LineSize, rows: u64) -> Self {
        let mut dice = Random::new(seed);
        let templates = template::all(&mut dice, size);
        let used = (0..SERVICES).map(|_| templates_of_a_service(&mut dice)).collect();
        Self {
            // What templates say is told once; rows are what a store keeps.
            random: Random::new(seed ^ 0x5eed),
            templates,
            used,
            services: Weights::zipfian(SERVICES),
            levels: Weights::new(&Level::WEIGHTS),
            magnitudes: Weights::new(&[30.0, 45.0, 20.0, 5.0]),
            statuses: Weights::new(&[82.0, 5.0, 5.0, 4.0, 2.0, 2.0]),
            traces: (0..TRACES).map(|_| Trace { id: [0, 0], rows_left: 0 }).collect(),
            timestamp_ms: DAY_START_MS,
            // A little less than fills the day: the sum of gaps is random too.
            gap_ms: (2 * DAY_MS / 100 * 97 / rows.max(1)).max(1),
            rows,
            made: 0,
            truth: Truth::new(SERVICES as usize),
        }
    }

    /// Rows that are still to be made.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.rows - self.made
    }

    /// What is true of all rows made.
    #[must_use]
    pub fn into_truth(mut self) -> Truth {
        self.truth.bits = self.random.bits();
        self.truth
    }

    fn message(&mut self, template: usize, trace: [u64; 2]) -> String {
        use std::fmt::Write as _;
        let mut message = String::with_capacity(256);
        for piece in &self.templates[template].pieces {
            let random = &mut self.random;
            let written = match piece {
                Piece::Text(text) => {
                    message.push_str(text);
                    continue;
                }
                Piece::Field(Field::Trace) => write!(message, "{:016x}{:016x}", trace[0], trace[1]),
                Piece::Field(Field::User) => write!(message, "{}", random.below(100_000)),
                Piece::Field(Field::Order) => write!(message, "{}", random.below(10_000_000)),
                Piece::Field(Field::Address) => {
                    let host = random.below(1 << 16);
                    write!(message, "10.{}.{}.{}", 16 + host % 4, (host >> 2) & 63, host >> 8)
                }
                Piece::Field(Field::DurationMs | Field::Bytes) => {
                    let magnitude = 10_u64.pow(random.choose(&self.magnitudes) as u32);
                    write!(message, "{}", magnitude + random.below(9 * magnitude))
                }
                Piece::Field(Field::Status) => {
                    let status = random.choose(&self.statuses);
                    write!(message, "{}", [200, 201, 304, 404, 429, 503][status])
                }
            };
            written.expect("BUG: writing into a string failed");
        }
        message
    }

    fn trace(&mut self) -> [u64; 2] {
        let slot = self.random.below(TRACES as u64) as usize;
        let trace = &mut self.traces[slot];
        if trace.rows_left == 0 {
            let id = [self.random.word(), self.random.word()];
            *trace = Trace { id, rows_left: ROWS_PER_TRACE };
            if self.made >= self.truth.traces.len() as u64 * self.probe_distance() {
                self.truth.watch(id);
            }
        }
        let trace = &mut self.traces[slot];
        trace.rows_left -= 1;
        trace.id
    }

    /// Rows from one that is asked for to the next.
    fn probe_distance(&self) -> u64 {
        (self.rows / PROBES as u64).max(1)
    }

    /// Whether this row is one of those that are marked with a word of their own.
    fn is_marked(&self) -> bool {
        self.made % self.probe_distance() == self.probe_distance() / 2
            && self.truth.words.len() < PROBES
    }
}

impl Iterator for Corpus {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.made == self.rows {
            return None;
        }
        let next_ms = self.timestamp_ms + self.random.below(self.gap_ms);
        self.timestamp_ms = next_ms.min(DAY_START_MS + DAY_MS - 1);
        let service = self.random.choose(&self.services);
        let level = self.random.choose(&self.levels);
        let used = &self.used[service][level];
        let template = used[self.random.below(used.len() as u64) as usize];
        let trace = self.trace();
        let mut message = self.message(template, trace);
        if self.is_marked() {
            let word = format!("mark{:016x}", self.random.word());
            message.push_str(" ticket=");
            message.push_str(&word);
            self.truth.words.push(word);
        }
        self.made += 1;
        let level = Level::ALL[level];
        let row = Row { service, level, timestamp_ms: self.timestamp_ms, message };
        self.truth.count(&row, trace);
        Some(row)
    }
}

fn templates_of_a_service(dice: &mut Random) -> [Vec<usize>; 4] {
    let mut from = 0;
    std::array::from_fn(|level| {
        let of_level: Range<usize> = from..from + Level::TEMPLATES[level];
        from = of_level.end;
        let mut used = Vec::new();
        while used.len() < Level::TEMPLATES_PER_SERVICE[level] {
            let template = of_level.start + dice.below(of_level.len() as u64) as usize;
            if !used.contains(&template) {
                used.push(template);
            }
        }
        used
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_corpus() {
        let messages =
            |seed| Corpus::new(seed, LineSize::Short, 200).map(|row| row.message).collect();
        let once: Vec<String> = messages(1);
        assert_eq!(once, messages(1));
        assert_ne!(once, messages(2));
    }

    #[test]
    fn lines_are_as_long_as_they_should_be_and_lie_in_one_day() {
        for (size, wanted) in [(LineSize::Short, 180..220), (LineSize::Long, 900..1_100)] {
            let rows = 20_000;
            let mut corpus = Corpus::new(7, size, rows);
            let mut last_ms = DAY_START_MS;
            for row in corpus.by_ref() {
                assert!(row.timestamp_ms >= last_ms, "rows are in the order of time");
                last_ms = row.timestamp_ms;
            }
            assert!(last_ms < DAY_START_MS + DAY_MS && last_ms > DAY_START_MS + DAY_MS * 9 / 10);
            let truth = corpus.into_truth();
            assert!(wanted.contains(&(truth.raw_bytes / rows)), "{}", truth.raw_bytes / rows);
            // A quarter of a trace id alone is 32 bits.
            assert!(truth.bits / rows as f64 > 60.0);
        }
    }

    #[test]
    fn the_truth_is_what_a_slow_look_finds() {
        let rows = 20_000;
        let mut corpus = Corpus::new(3, LineSize::Short, rows);
        let all: Vec<Row> = corpus.by_ref().collect();
        let truth = corpus.into_truth();
        let with = |text: &str| all.iter().filter(|row| row.message.contains(text)).count() as u64;
        assert_eq!(truth.phrase_rows, with(PHRASE));
        assert!(truth.phrase_rows > 0);
        assert_eq!(truth.words.len(), PROBES);
        for word in &truth.words {
            assert_eq!(with(word), 1);
        }
        for watched in &truth.traces {
            assert_eq!(watched.rows, with(&watched.text()));
        }
        let errors = all.iter().filter(|row| row.level == Level::Error && row.service == 0);
        let first_hours = (0..24).map(|hour| truth.errors(0, hour)).sum::<u64>();
        assert_eq!(first_hours, errors.count() as u64);
        assert_eq!(truth.services.iter().sum::<u64>(), rows);
        assert_eq!(truth.levels.iter().sum::<u64>(), rows);
    }
}
