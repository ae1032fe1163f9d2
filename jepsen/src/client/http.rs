//! A client of the HTTP API: one request over a connection of its own, by hand, so that it is known
//! whether a request was ever sent.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use varve_types::{RecordId, TimestampNs};

use super::payload::{element_of, word};
use super::{Outcome, PAGE_ROWS, Payload, Target, Targets};
use crate::history::{Found, Place, Selection};

/// Cloning shares the addresses.
#[derive(Clone, Debug)]
pub struct HttpClient {
    targets: Targets,
    patience: Duration,
    run: u64,
}

/// A request without its answer.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    /// Header lines, each with its line end.
    headers: &'a str,
    body: &'a str,
}

/// Why there is no answer.
enum NoAnswer {
    /// The request never left.
    NotSent(String),
    /// It may have arrived.
    Lost(String),
}

impl HttpClient {
    /// A client of these nodes, which waits no longer than so for an answer.
    #[must_use]
    pub const fn new(targets: Targets, patience: Duration, run: u64) -> Self {
        Self { targets, patience, run }
    }

    /// Appends a batch at one node, and answers where its rows are.
    pub async fn append(&self, payload: &Payload, node: u64) -> Outcome<Vec<Place>> {
        let headers = format!(
            "content-type: application/x-ndjson\r\nidempotency-key: {}\r\n",
            payload.idempotency_key()
        );
        let body = payload.body();
        let path = "/api/v1/logs?ids=true";
        let request = Request { method: "POST", path, headers: &headers, body: &body };
        match self.ask(node, request).await {
            Ok((200, answer)) => places(&answer).map_or_else(
                || Outcome::Wrong(format!("these are no ids of records: {answer}")),
                Outcome::Done,
            ),
            Ok((429, answer)) => Outcome::Refused(answer.to_string()),
            Ok((500..=599, answer)) => Outcome::Unknown(answer.to_string()),
            Ok((status, answer)) => {
                Outcome::Wrong(format!("{}: {status} {answer}", payload.idempotency_key()))
            }
            Err(NoAnswer::NotSent(why)) => Outcome::Refused(why),
            Err(NoAnswer::Lost(why)) => Outcome::Unknown(why),
        }
    }

    /// Finds all rows of a selection at one node.
    pub async fn search(&self, selection: Selection, node: u64) -> Outcome<Vec<Found>> {
        let word = word(self.run, selection);
        let mut found = Vec::new();
        for page in 1.. {
            let path = format!(
                "/api/v1/logs/search?order=oldest&page_size={PAGE_ROWS}&page={page}&query={word}"
            );
            let request = Request { method: "GET", path: &path, headers: "", body: "" };
            let answer = match self.ask(node, request).await {
                Ok((200, answer)) => answer,
                Ok((429 | 500..=599, answer)) => return Outcome::Refused(answer.to_string()),
                Ok((status, answer)) => {
                    return Outcome::Wrong(format!("{path}: {status} {answer}"));
                }
                Err(NoAnswer::NotSent(why) | NoAnswer::Lost(why)) => return Outcome::Refused(why),
            };
            let logs = answer["logs"].as_array().map_or(&[][..], Vec::as_slice);
            for log in logs {
                let Some(row) = row_of(log) else {
                    return Outcome::Wrong(format!("never sent: {log}"));
                };
                found.push(row);
            }
            if logs.len() < PAGE_ROWS {
                let total = &answer["total"];
                if *total != found.len() {
                    return Outcome::Wrong(format!("{path}: {} of {total} rows", found.len()));
                }
                break;
            }
        }
        Outcome::Done(found)
    }

    /// Asks one node, and reads the answer to its end: its status and its JSON.
    async fn ask(&self, node: u64, request: Request<'_>) -> Result<(u16, Value), NoAnswer> {
        let target =
            self.targets.at(node).ok_or_else(|| NoAnswer::NotSent("no node".to_owned()))?;
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let host = &target.http;
        let connected = tokio::time::timeout(self.patience, TcpStream::connect(host)).await;
        let stream = connected.map_err(|_| late()).and_then(|connected| connected);
        let stream = stream.map_err(|error| NoAnswer::NotSent(format!("{host}: {error}")))?;
        let exchanged = tokio::time::timeout(self.patience, exchange(stream, host, request)).await;
        let answer = exchanged.map_err(|_| late()).and_then(|exchanged| exchanged);
        answer.map_err(|error| NoAnswer::Lost(format!("{host}: {error}")))
    }
}

async fn exchange(
    mut stream: TcpStream,
    host: &str,
    request: Request<'_>,
) -> io::Result<(u16, Value)> {
    let Request { method, path, headers, body } = request;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.set_nodelay(true)?;
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| {
        io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} bytes of an answer", answer.len()))
    })
}

/// The status and the body, when all of it is there.
fn parse(answer: &[u8]) -> Option<(u16, Value)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_slice(&answer[end + 4..]).ok()?))
}

/// Which row a record is, and where.
fn row_of(log: &Value) -> Option<Found> {
    let (element, place) = (element_of(log["message"].as_str()?)?, place(&log["log_id"])?);
    let stored_at = TimestampNs::parse(log["created_at"].as_str()?).ok()?;
    Some(Found { element, place, stored_at_ns: Some(stored_at.get()) })
}

fn places(answer: &Value) -> Option<Vec<Place>> {
    let ids = answer["log_ids"].as_array()?;
    ids.iter().map(place).collect()
}

fn place(id: &Value) -> Option<Place> {
    let id: RecordId = id.as_str()?.parse().ok()?;
    Some(Place::from(id))
}

/// Whether a node says that it has everything that it is to have, and reaches every shard.
///
/// # Errors
///
/// It does not answer.
pub async fn is_ready(target: &Target, patience: Duration) -> io::Result<bool> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let request = Request { method: "GET", path: "/health/ready", headers: "", body: "" };
    let asking = async {
        let stream = TcpStream::connect(&target.http).await?;
        exchange(stream, &target.http, request).await
    };
    let (status, _) = tokio::time::timeout(patience, asking).await.map_err(late)??;
    Ok(status == 200)
}
