//! What clients do: write and look for what they wrote, read what others write, and look at
//! everything in the end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use varve_cluster_tests::{Ended, World, note};
use varve_jepsen::checker::{HEAL, Verdict};
use varve_jepsen::history::{Action, Batch, Element, Found, Kind, Place, Process, Selection};
use varve_types::{RecordId, TimestampNs};

use super::load::Load;
use super::recorder::Recorder;
use super::replicas::read_again;
use crate::http::{Request, ask};

/// Batches of one writer.
const BATCHES: u64 = 40;
const ASK_AGAIN: Duration = Duration::from_millis(300);
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Reading all replicas again takes longer.
const VERIFIED_WITHIN: Duration = Duration::from_secs(60);

/// By then the last fault is over.
const HEALED: Duration = Duration::from_secs(70);

/// How often replicas are looked at until all of them are good. What rotted may never be.
const LOOKS_MAX: usize = 5;

/// What the disk of a process says that has ended.
const ENDED: &str = "the simulated machine has crashed";

/// Rows of one answer at most; no producer writes more.
const PAGE_ROWS: usize = 10_000;

/// A client, which does one thing at a time.
pub(super) struct Client {
    world: World,
    load: Load,
    recorder: Recorder,
    process: Process,
}

type Failed = Box<dyn std::error::Error>;

impl Client {
    pub(super) fn new(world: World, load: Load, recorder: Recorder) -> Self {
        let process = recorder.process();
        Self { world, load, recorder, process }
    }

    /// Appends batches one after the other, each until it is acknowledged, some of them twice, and
    /// looks for each right after. Some come before the one that they should follow, as those of a
    /// producer do that has several under way.
    pub(super) async fn write(mut self, producer: u64, done: Arc<Semaphore>) -> Ended {
        let mut sequences: Vec<u64> = (1..=BATCHES).collect();
        for pair in sequences.chunks_exact_mut(2) {
            if self.world.env.random.next_u64().is_multiple_of(4) {
                pair.swap(0, 1);
            }
        }
        for sequence in sequences {
            let batch = Batch { producer, sequence };
            let rows = 1 + self.world.env.random.next_u64() % self.load.batch_rows_max;
            let rows = u32::try_from(rows)?;
            let body = self.body(batch, rows);
            self.append(batch, rows, &body).await?;
            self.search(Selection::Batch(batch)).await?;
            if self.world.env.random.next_u64().is_multiple_of(4) {
                self.append(batch, rows, &body).await?;
            }
            self.pause(1_000).await;
        }
        done.add_permits(1);
        Ok(())
    }

    /// Reads all of one writer, again and again, until all are done.
    pub(super) async fn read(mut self, writers: u64, all: u64, done: Arc<Semaphore>) -> Ended {
        while !is_done(&done, all)? {
            let producer = self.world.env.random.next_u64() % writers;
            self.search(Selection::Producer(producer)).await?;
            self.pause(3_000).await;
        }
        Ok(())
    }

    /// Once all are done and all faults are over: sees that writes and searches go
    /// on, looks at all there is, and has the checkers judge.
    pub(super) async fn check(mut self, writers: u64, all: u64, done: Arc<Semaphore>) -> Ended {
        let is_healed = || turmoil::sim_elapsed().is_some_and(|elapsed| elapsed >= HEALED);
        // Polled, because hosts' runtimes do not wake each other.
        while !is_done(&done, all)? || !is_healed() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
        let heal =
            Action::Fault { name: HEAL.to_owned(), detail: "no fault is to come".to_owned() };
        self.recorder.note(Process::Nemesis, Kind::Info, heal, None);
        let batch = Batch { producer: writers, sequence: 1 };
        self.append(batch, 1, &self.body(batch, 1)).await?;
        let rows = self.search(Selection::All).await?;
        note(format_args!("{rows} records are there"));
        self.look_at_replicas().await;
        let verdicts = self.recorder.verdicts();
        let is_good = |verdict: &Verdict| {
            let is_asked = self.is_asked(verdict.checker);
            verdict.is_valid() || (!is_asked && verdict.findings.is_empty())
        };
        let broken = verdicts.iter().filter(|verdict| !is_good(verdict));
        let broken: Vec<String> = broken.map(ToString::to_string).collect();
        if broken.is_empty() { Ok(()) } else { Err(broken.join("\n").into()) }
    }

    /// Whether a checker has something to look at: no client here asks for settings, and a node
    /// alone has no replicas to compare.
    fn is_asked(&self, checker: &str) -> bool {
        match checker {
            "registers" => false,
            "digests" => self.load.nodes > 1,
            _ => true,
        }
    }

    /// Has what replicas hold noted, until all of them are good or it was tried often enough. A
    /// node that is down for good keeps nobody from comparing the others.
    async fn look_at_replicas(&mut self) {
        for _ in 0..LOOKS_MAX {
            self.note(Kind::Invoke, Action::Replicas(Vec::new()), None);
            let host = self.load.any_node(&self.world).replace(":9430", ":9431");
            let looked = read_again(&self.world.env, &host);
            match tokio::time::timeout(VERIFIED_WITHIN, looked).await {
                Ok(Ok(replicas)) => {
                    self.note(Kind::Ok, Action::Replicas(replicas.states), None);
                    if replicas.are_good {
                        return;
                    }
                }
                Ok(Err(error)) => {
                    self.note(Kind::Fail, Action::Replicas(Vec::new()), Some(error.to_string()));
                }
                Err(_) => {
                    let why = format!("no answer within {VERIFIED_WITHIN:?}");
                    self.note(Kind::Fail, Action::Replicas(Vec::new()), Some(why));
                }
            }
            tokio::time::sleep(ANSWER_WITHIN).await;
        }
    }

    async fn pause(&self, ms_max: u64) {
        let ms = self.world.env.random.next_u64() % ms_max;
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn body(&self, batch: Batch, rows: u32) -> String {
        let line = |row: u32| {
            let message = format!("{} row{row} {}", words(batch), self.noise());
            let service = format!("service-{}", row % 3);
            format!("{}\n", serde_json::json!({ "service": service, "message": message }))
        };
        (0..rows).map(line).collect()
    }

    /// Text that does not compress, so that tails fill up.
    fn noise(&self) -> String {
        (0..12).map(|_| format!("{:016x}", self.world.env.random.next_u64())).collect()
    }

    /// Appends until it is acknowledged. Resending is always safe.
    async fn append(&mut self, batch: Batch, rows: u32, body: &str) -> Ended {
        let Batch { producer, sequence } = batch;
        let key = format!("writer-{producer}:1:{sequence}");
        let asked = || Action::Append { batch, rows, places: Vec::new() };
        loop {
            self.note(Kind::Invoke, asked(), None);
            let headers =
                format!("content-type: application/x-ndjson\r\nidempotency-key: {key}\r\n");
            let path = "/api/v1/logs?ids=true";
            let request = Request { method: "POST", path, headers, body };
            match self.answer(request).await {
                Ok((200, answer)) => {
                    let places = places(&answer)?;
                    self.note(Kind::Ok, Action::Append { batch, rows, places }, None);
                    note(format_args!("{key}: acknowledged"));
                    return Ok(());
                }
                Ok((429, answer)) => self.note(Kind::Fail, asked(), Some(answer.to_string())),
                Ok((503, answer)) => self.unknown(asked(), answer.to_string()),
                Ok((status, answer)) => return Err(format!("{key}: {status} {answer}").into()),
                Err(error) => self.unknown(asked(), error.to_string()),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Searches until there is an answer, and answers how many rows were found.
    async fn search(&mut self, selection: Selection) -> Result<usize, Failed> {
        let asked = || Action::Read { selection, found: Vec::new() };
        loop {
            self.note(Kind::Invoke, asked(), None);
            match self.pages(selection).await {
                Ok(found) => {
                    let rows = found.len();
                    self.note(Kind::Ok, Action::Read { selection, found }, None);
                    return Ok(rows);
                }
                Err(NoAnswer::Later(why)) => self.note(Kind::Fail, asked(), Some(why)),
                Err(NoAnswer::Never(why)) => return Err(why.into()),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn pages(&mut self, selection: Selection) -> Result<Vec<Found>, NoAnswer> {
        let query = match selection {
            Selection::All => String::new(),
            Selection::Producer(producer) => format!("&query=w{producer}"),
            Selection::Batch(Batch { producer, sequence }) => {
                format!("&query=w{producer}n{sequence}")
            }
        };
        let mut found = Vec::new();
        for page in 1.. {
            let path = format!(
                "/api/v1/logs/search?order=oldest&page_size={PAGE_ROWS}&page={page}{query}"
            );
            let request = Request { method: "GET", path: &path, headers: String::new(), body: "" };
            let answer = match self.answer(request).await {
                Ok((200, answer)) => answer,
                Ok((429 | 503, answer)) => return Err(NoAnswer::Later(answer.to_string())),
                Ok((status, answer)) => {
                    return Err(NoAnswer::Never(format!("{path}: {status} {answer}")));
                }
                Err(error) => return Err(NoAnswer::Later(error.to_string())),
            };
            let logs = answer["logs"].as_array().map_or(&[][..], Vec::as_slice);
            for log in logs {
                let row = of_log(log);
                found.push(row.ok_or_else(|| NoAnswer::Never(format!("never sent: {log}")))?);
            }
            if logs.len() < PAGE_ROWS {
                if answer["total"] != found.len() {
                    let total = &answer["total"];
                    return Err(NoAnswer::Never(format!("{} of {total} were found", found.len())));
                }
                break;
            }
        }
        Ok(found)
    }

    async fn answer(&self, request: Request<'_>) -> io::Result<(u16, Value)> {
        let node = self.load.any_node(&self.world);
        let asked = ask(&self.world.env, &node, request);
        let (status, answer) = tokio::time::timeout(ANSWER_WITHIN, asked).await??;
        // A process that ends takes all its tasks along at once; here the others go on until the
        // next step of time, and may say so.
        if answer.to_string().contains(ENDED) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok((status, answer))
    }

    fn note(&self, kind: Kind, action: Action, error: Option<String>) {
        if let Some(error) = &error {
            note(format_args!("{}: {error}", self.process));
        }
        self.recorder.note(self.process, kind, action, error);
    }

    /// Whoever does not know what became of a call goes on as another.
    fn unknown(&mut self, action: Action, why: String) {
        self.note(Kind::Info, action, Some(why));
        self.process = self.recorder.process();
    }
}

/// Why there is no answer.
enum NoAnswer {
    /// There may be one later.
    Later(String),
    /// There should have been one.
    Never(String),
}

fn is_done(done: &Semaphore, all: u64) -> Result<bool, Failed> {
    Ok(done.available_permits() >= usize::try_from(all)?)
}

/// By these the rows of a producer, and those of a batch, are found.
fn words(Batch { producer, sequence }: Batch) -> String {
    format!("w{producer} w{producer}n{sequence}")
}

/// Which row a record is, and where.
fn of_log(log: &Value) -> Option<Found> {
    let mut words = log["message"].as_str()?.split(' ').skip(1);
    let (producer, sequence) = words.next()?.strip_prefix('w')?.split_once('n')?;
    let batch = Batch { producer: producer.parse().ok()?, sequence: sequence.parse().ok()? };
    let row = words.next()?.strip_prefix("row")?.parse().ok()?;
    let stored_at = TimestampNs::parse(log["created_at"].as_str()?).ok()?;
    let (element, place) = (Element { batch, row }, place(&log["log_id"])?);
    Some(Found { element, place, stored_at_ns: Some(stored_at.get()) })
}

fn places(answer: &Value) -> Result<Vec<Place>, Failed> {
    let ids = answer["log_ids"].as_array().into_iter().flatten();
    let places: Option<Vec<Place>> = ids.map(place).collect();
    places.ok_or_else(|| format!("these are no ids of records: {answer}").into())
}

fn place(id: &Value) -> Option<Place> {
    let id: RecordId = id.as_str()?.parse().ok()?;
    Some(Place { shard: id.shard.get(), index: id.index.get(), row: id.row.get().into() })
}
