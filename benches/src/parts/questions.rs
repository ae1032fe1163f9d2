//! The fixed set of questions, asked over HTTP of a server that holds a whole corpus, with every
//! answer checked against what was stored.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::percentile_ms;
use crate::Failure;
use crate::corpus::{
    DAY_START_MS, FREQUENT_WORD, Level, NEWEST, PHRASE, PROBES, Truth, service_name,
};
use crate::report::{Floor, Outcome, Report};
use crate::server::Server;

/// A question, in several instances: the same one twice in a row would only measure caches.
struct Question {
    name: &'static str,
    floor_ms: Option<f64>,
    asked: Vec<(String, Expected)>,
}

/// What is true.
enum Expected {
    /// So many records match.
    Total(u64),
    /// The page is these records, by their times.
    Newest { times_ms: Vec<u64>, total: Option<u64> },
    /// So many records of each.
    Counts { by: &'static str, rows: BTreeMap<String, u64> },
}

/// Where the questions are asked, and how often.
pub(super) struct Asked<'a> {
    pub part: &'static str,
    /// Before or after the seal.
    pub when: &'static str,
    pub server: &'a Server,
    pub repetitions: usize,
}

/// A question that takes long is asked no more often than this, once so much time has gone.
const REPETITIONS_MIN: usize = 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks every question, and reports medians, 99th percentiles and what they cost the server.
pub(super) fn ask_all(
    report: &mut Report,
    asked: &Asked<'_>,
    truth: &Truth,
) -> Result<(), Failure> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let clock = asked.server.clock();
    for question in all(truth) {
        let floor = question.floor_ms.map(Floor::Below);
        let name = format!("{}, {}", question.name, asked.when);
        let processor = clock.read()?;
        match ask(&agent, asked, &question)? {
            Ok(mut times) => {
                let processor = (clock.read()? - processor).as_secs_f64() * 1e3;
                times.sort_unstable();
                let median_ms = percentile_ms(&times, 50);
                report.take(asked.part, &name, "ms", Outcome::Measured(median_ms), floor);
                let p99 = percentile_ms(&times, 99);
                report.measured(asked.part, &format!("{name}, p99"), p99, "ms");
                let each = processor / times.len() as f64;
                report.measured(asked.part, &format!("{name}, processor"), each, "ms");
            }
            Err(outcome) => report.take(asked.part, &name, "ms", outcome, floor),
        }
    }
    Ok(())
}

/// What each turn took, or why there is no figure.
fn ask(
    agent: &ureq::Agent,
    asked: &Asked<'_>,
    question: &Question,
) -> Result<Result<Vec<Duration>, Outcome>, Failure> {
    let begun = Instant::now();
    let mut times = Vec::new();
    for turn in 0..asked.repetitions {
        if turn >= REPETITIONS_MIN && begun.elapsed() > PATIENCE {
            break;
        }
        let (path, expected) = &question.asked[turn % question.asked.len()];
        let (took, status, body) = get(agent, &format!("{}{path}", asked.server.http()))?;
        let body: Value = serde_json::from_str(&body)?;
        if status != 200 {
            let why = body["error"]["message"].as_str().unwrap_or("no message");
            return Ok(Err(Outcome::NotAnswered(format!("{status} {why}"))));
        }
        if let Some(wrong) = expected.check(&body) {
            return Ok(Err(Outcome::Wrong(wrong)));
        }
        times.push(took);
    }
    Ok(Ok(times))
}

/// Counts all rows.
pub(super) fn total(http: &str) -> Result<u64, Failure> {
    let agent = ureq::Agent::new_with_defaults();
    let (_, _, body) = get(&agent, &format!("{http}/api/v1/logs/search?page_size=1"))?;
    let body: Value = serde_json::from_str(&body)?;
    body["total"].as_u64().ok_or_else(|| format!("no total in {body}").into())
}

/// The answer, and how long it took until its last byte was here.
fn get(agent: &ureq::Agent, url: &str) -> Result<(Duration, u16, String), Failure> {
    let begun = Instant::now();
    let mut answer = agent.get(url).call()?;
    let body = answer.body_mut().with_config().limit(1 << 28).read_to_string()?;
    Ok((begun.elapsed(), answer.status().as_u16(), body))
}

fn all(truth: &Truth) -> Vec<Question> {
    let phrase = search(&format!("\"{PHRASE}\""), "page_size=1");
    let newest =
        |total| Expected::Newest { times_ms: truth.newest_ms.iter().copied().collect(), total };
    let frequent = |more: &str| search(FREQUENT_WORD, &format!("page_size={NEWEST}{more}"));
    let one =
        |name, floor_ms, path, expected| Question { name, floor_ms, asked: vec![(path, expected)] };
    vec![
        Question { name: "a unique word", floor_ms: Some(20.0), asked: unique_words(truth) },
        Question { name: "the rows of a trace", floor_ms: None, asked: traces(truth) },
        one(
            "a phrase counted over all rows",
            Some(400.0),
            phrase,
            Expected::Total(truth.phrase_rows),
        ),
        one(
            "newest 100 of a frequent word, no total",
            Some(20.0),
            frequent("&total=none"),
            newest(None),
        ),
        one(
            "newest 100 of a frequent word, exact total",
            None,
            frequent(""),
            newest(Some(truth.frequent_rows)),
        ),
        one("counts by level over everything", Some(10.0), aggregate("level"), by_level(truth)),
        one(
            "counts by service over everything",
            Some(10.0),
            aggregate("service"),
            by_service(truth),
        ),
        Question {
            name: "one service's errors of an hour",
            floor_ms: Some(5.0),
            asked: errors_of_hours(truth),
        },
    ]
}

fn search(query: &str, more: &str) -> String {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("/api/v1/logs/search?query={query}&{more}")
}

fn aggregate(by: &str) -> String {
    format!("/api/v1/logs/aggregates?by={by}&step=all")
}

fn unique_words(truth: &Truth) -> Vec<(String, Expected)> {
    truth.words.iter().map(|word| (search(word, "page_size=10"), Expected::Total(1))).collect()
}

fn traces(truth: &Truth) -> Vec<(String, Expected)> {
    let asked = truth.traces.iter();
    asked
        .map(|trace| (search(&trace.text(), "page_size=10"), Expected::Total(trace.rows)))
        .collect()
}

fn by_level(truth: &Truth) -> Expected {
    let rows = Level::ALL.iter().zip(truth.levels);
    let rows = rows.map(|(level, rows)| (level.name().to_owned(), rows));
    Expected::Counts { by: "level", rows: rows.filter(|(_, rows)| *rows > 0).collect() }
}

fn by_service(truth: &Truth) -> Expected {
    let rows = truth.services.iter().enumerate();
    let rows = rows.map(|(rank, rows)| (service_name(rank), *rows));
    Expected::Counts { by: "service", rows: rows.filter(|(_, rows)| *rows > 0).collect() }
}

/// Frequent services and rarer ones, at all times of the day.
fn errors_of_hours(truth: &Truth) -> Vec<(String, Expected)> {
    let instances = (0..PROBES).map(|n| {
        let (service, hour) = (n * n, n * 7 % 24);
        let start_ms = DAY_START_MS + hour as u64 * 3_600_000;
        let path = format!(
            "/api/v1/logs/search?service={}&level=ERROR&start_time={start_ms}&end_time={}",
            service_name(service),
            start_ms + 3_600_000
        );
        (path, Expected::Total(truth.errors(service, hour)))
    });
    instances.collect()
}

impl Expected {
    /// What is wrong with an answer, if anything is.
    fn check(&self, answer: &Value) -> Option<String> {
        let (wanted, got) = match self {
            Self::Total(wanted) => {
                (format!("total {wanted}"), format!("total {}", answer["total"]))
            }
            Self::Newest { times_ms, total } => {
                let logs = answer["logs"].as_array().map_or(&[][..], Vec::as_slice);
                let got: Vec<u64> = logs.iter().filter_map(time_ms).collect();
                let got_total = total.and_then(|_| answer["total"].as_u64());
                (format!("{times_ms:?}, total {total:?}"), format!("{got:?}, total {got_total:?}"))
            }
            Self::Counts { by, rows } => {
                let cells = answer["aggregates"].as_array().map_or(&[][..], Vec::as_slice);
                let got: BTreeMap<String, u64> = cells
                    .iter()
                    .filter_map(|cell| {
                        Some((cell[*by].as_str()?.to_owned(), cell["count"].as_u64()?))
                    })
                    .collect();
                (format!("{rows:?}"), format!("{got:?}"))
            }
        };
        (wanted != got).then(|| format!("{got:.200}, not {wanted:.200}"))
    }
}

fn time_ms(log: &Value) -> Option<u64> {
    let time: jiff::Timestamp = log["timestamp"].as_str()?.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}
