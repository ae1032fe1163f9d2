//! Lines in, batches out, answers counted: the loop of `varve send`.
//!
//! Reading and recognising run on the calling thread, encoding and the network on the runtime's,
//! so that both cores work.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::FutureExt;
use tokio::runtime::Handle;
use varve_client::json_line::{Defaults, parse_json_line};
use varve_client::lines::{Line, LineNumber, Lines};
use varve_client::recognise::Clues;
use varve_client::{Ack, AppendError, Batcher, PlainLines, Sender};
use varve_types::{Level, Record, TimestampNs, limits};

use super::input::Input;
use super::progress::Progress;
use super::tally::Tally;

/// How lines become records.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) json: bool,
    pub(super) service: Option<Arc<str>>,
    pub(super) level: Option<(Level, Option<Arc<str>>)>,
    pub(super) offset_seconds: i32,
    pub(super) now: TimestampNs,
    /// Send what a live input said when it falls silent. Not where a run is to be repeated: then
    /// batches must end at the same lines again.
    pub(super) live: bool,
}

/// Why sending ended before the end of the input.
#[derive(Debug)]
pub(super) enum Stop {
    /// An input cannot be read on.
    Input { name: String, error: std::io::Error },
    /// A batch failed for good.
    Batch {
        /// Where its lines are.
        place: String,
        error: AppendError,
    },
}

/// A run of `varve send`.
pub(super) struct Pipeline {
    runtime: Handle,
    sender: Sender,
    waiting: VecDeque<Waiting>,
    batcher: Batcher,
    progress: Progress,
    tally: Tally,
}

/// A batch without an answer.
struct Waiting {
    ack: Ack,
    lines: u64,
    place: String,
}

/// Turns a line into a record.
enum Parser {
    Plain(Box<PlainLines>),
    Json(Box<Defaults>, Clues),
}

impl Parser {
    fn new(input: &Input, reading: &Reading, written: Option<TimestampNs>) -> Self {
        let now = written.unwrap_or(reading.now);
        let clues = Clues { offset_seconds: reading.offset_seconds, now };
        let service = reading.service.clone().or_else(|| input.service().map(Arc::from));
        if !reading.json {
            // Without a service, reading standard input was refused as a mistake of usage.
            let service = service.unwrap_or_else(|| Arc::from("stdin"));
            return Self::Plain(Box::new(PlainLines::new(service, reading.level.clone(), clues)));
        }
        let (level, level_text) = reading.level.clone().unwrap_or_default();
        Self::Json(Box::new(Defaults { service, level, level_text }), clues)
    }

    fn record(&mut self, line: &[u8]) -> Result<Record, String> {
        match self {
            Self::Plain(lines) => Ok(lines.record(line)),
            Self::Json(defaults, clues) => {
                parse_json_line(line, defaults, clues).map_err(|error| error.to_string())
            }
        }
    }
}

impl Pipeline {
    /// A pipeline into a sender; call it within the runtime of the handle.
    pub(super) fn new(runtime: Handle, sender: Sender, progress: Progress) -> Self {
        Self {
            runtime,
            sender,
            waiting: VecDeque::new(),
            batcher: Batcher::default(),
            progress,
            tally: Tally::default(),
        }
    }

    /// Sends all lines of an input. Batches end where inputs end.
    pub(super) fn send(
        &mut self,
        input: &Input,
        reading: &Reading,
        read_bytes: &Arc<AtomicU64>,
    ) -> Result<(), Stop> {
        let name = input.name();
        let broken = |error| Stop::Input { name: name.clone(), error };
        let opened = input.open(read_bytes, reading.live).map_err(broken)?;
        let mut parser = Parser::new(input, reading, opened.written);
        let mut lines = Lines::new(opened.reader);
        // Where the batch that is being gathered begins, and the last line in it.
        let mut span: Option<(LineNumber, LineNumber)> = None;
        let outcome = loop {
            let (number, line) = match lines.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => break Ok(()),
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    if let Some(batch) = self.batcher.take() {
                        self.submit(&batch, &name, span.take())?;
                    }
                    continue;
                }
                Err(error) => break Err(broken(error)),
            };
            let record = match line {
                Line::Text(text) => parser.record(text),
                Line::Empty => {
                    self.tally.skip();
                    continue;
                }
                Line::TooLong { bytes } => Err(format!(
                    "too long: {bytes} bytes are more than {}",
                    limits::MESSAGE_BYTES_MAX
                )),
            };
            match record {
                Ok(record) => {
                    if let Some(batch) = self.batcher.push(record) {
                        self.submit(&batch, &name, span.take())?;
                    }
                    span = Some((span.map_or(number, |(first, _)| first), number));
                }
                Err(reason) => {
                    if let Some(said) = self.tally.refuse(&name, number, &reason) {
                        self.progress.say(&said);
                    }
                }
            }
        };
        if let Some(batch) = self.batcher.take() {
            self.submit(&batch, &name, span)?;
        }
        outcome
    }

    fn submit(
        &mut self,
        batch: &[Record],
        name: &str,
        span: Option<(LineNumber, LineNumber)>,
    ) -> Result<(), Stop> {
        let place = match span {
            Some((first, last)) => format!("{name}, lines {first} to {last}"),
            None => name.to_owned(),
        };
        match self.runtime.block_on(self.sender.send(batch)) {
            Ok(ack) => self.waiting.push_back(Waiting { ack, lines: batch.len() as u64, place }),
            // An earlier batch failed, and its answer, which tells more, is among those waiting.
            Err(error) => {
                self.settle_all()?;
                return Err(Stop::Batch { place, error });
            }
        }
        while let Some(mut first) = self.waiting.pop_front() {
            match (&mut first.ack).now_or_never() {
                Some(answer) => self.count(answer, first.lines, &first.place)?,
                None => {
                    self.waiting.push_front(first);
                    break;
                }
            }
        }
        self.progress.show(self.tally.accepted());
        Ok(())
    }

    fn count(
        &mut self,
        answer: Result<varve_client::Appended, AppendError>,
        lines: u64,
        place: &str,
    ) -> Result<(), Stop> {
        match answer {
            Ok(appended) => {
                self.tally.acknowledge(lines, appended);
                Ok(())
            }
            Err(error) => Err(Stop::Batch { place: place.to_owned(), error }),
        }
    }

    /// Waits for all answers; the first failure is the one that tells why.
    fn settle_all(&mut self) -> Result<(), Stop> {
        let mut outcome = Ok(());
        while let Some(waiting) = self.waiting.pop_front() {
            let answer = self.runtime.block_on(waiting.ack);
            let counted = self.count(answer, waiting.lines, &waiting.place);
            outcome = outcome.and(counted);
            self.progress.show(self.tally.accepted());
        }
        outcome
    }

    /// Waits for all answers, and tells what became of the lines.
    pub(super) fn finish(mut self) -> (Tally, Result<(), Stop>) {
        let outcome = self.settle_all();
        self.progress.clear();
        (self.tally, outcome)
    }
}
