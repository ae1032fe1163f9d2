//! Counts by service, level and time, over HTTP, gRPC and the SDK's messages, held against a loop
//! over the records themselves: in memory, written out, and both.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use varve_proto::v1;

use super::grpc::{Logs, connect};
use super::server::{Server, data_dir, encoded};

const MINUTE_NS: i64 = 60_000_000_000;
const HOUR_NS: i64 = 60 * MINUTE_NS;
const DAY_NS: i64 = 24 * HOUR_NS;
const FIRST_NS: i64 = 1_767_225_600_000_000_000; // 2026-01-01T00:00:00Z

const SERVICES: [&str; 3] = ["api", "db", "shop \"é\""];
const LEVELS: [&str; 4] = ["INFO", "ERROR", "DEBUG", "UNKNOWN"];

/// A record, as far as it is counted.
#[derive(Clone, Copy)]
struct Row {
    service: &'static str,
    level: &'static str,
    time_ns: i64,
}

/// Records spread over two and a half days, some of them exactly on the hour.
fn rows() -> Vec<Row> {
    (0..3_000_i64)
        .map(|n| Row {
            service: SERVICES[(n * n % 7 % 3) as usize],
            level: LEVELS[(n % 11 % 4) as usize],
            time_ns: FIRST_NS + n * 72 * 1_000_000_000 + (n % 5) * 999_999_999,
        })
        .collect()
}

fn store(server: &Server, rows: &[Row]) {
    for rows in rows.chunks(500) {
        let record = |row: &Row| json!({"service":row.service,"level":row.level,"message":"m","timestamp":row.time_ns});
        let body: Vec<Value> = rows.iter().map(record).collect();
        let answer = server.post("/api/v1/logs", &[], Value::from(body).to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// What is asked, in one form for both protocols.
#[derive(Clone, Copy, Default)]
struct Question {
    services: &'static [&'static str],
    levels: &'static [&'static str],
    range_ns: (Option<i64>, Option<i64>),
    /// `None` counts all of the time together.
    step: Option<(&'static str, i64)>,
    by_service: bool,
    by_level: bool,
}

type Counts = BTreeMap<(Option<i64>, Option<String>, Option<String>), u64>;

impl Question {
    /// The answer, told the slow way.
    fn counts(&self, rows: &[Row]) -> Counts {
        let mut counts = Counts::new();
        let (start, end) = self.range_ns;
        for row in rows {
            if start.is_some_and(|start| row.time_ns < start)
                || end.is_some_and(|end| row.time_ns >= end)
                || !self.services.is_empty() && !self.services.contains(&row.service)
                || !self.levels.is_empty() && !self.levels.contains(&row.level)
            {
                continue;
            }
            let cell = (
                self.step.map(|(_, step_ns)| row.time_ns.div_euclid(step_ns) * step_ns),
                self.by_service.then(|| row.service.to_owned()),
                self.by_level.then(|| row.level.to_owned()),
            );
            *counts.entry(cell).or_default() += 1;
        }
        counts
    }

    fn over_http(&self, server: &Server) -> Counts {
        let mut query = format!("step={}", self.step.map_or("all", |(text, _)| text));
        let by = [(self.by_service, "service"), (self.by_level, "level")];
        let by: Vec<_> = by.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| *name).collect();
        query += &format!("&by={}", by.join(","));
        for service in self.services {
            query += &format!("&service={}", encoded(service.as_bytes()));
        }
        for level in self.levels {
            query += &format!("&level={}", level.to_lowercase());
        }
        for (name, time_ns) in [("start_time", self.range_ns.0), ("end_time", self.range_ns.1)] {
            query += &time_ns.map(|time_ns| format!("&{name}={time_ns}")).unwrap_or_default();
        }
        let answer = server.get(&format!("/api/v1/logs/aggregates?{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let answer = answer.json();
        let text = |count: &Value, name: &str| count[name].as_str().map(str::to_owned);
        let counts: Counts = answer["aggregates"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|count| {
                let start = text(count, "start_time").map(|time| nanoseconds(&time));
                let cell = (start, text(count, "service"), text(count, "level"));
                (cell, count["count"].as_u64().expect("a count"))
            })
            .collect();
        assert_eq!(answer["total"], counts.values().sum::<u64>());
        assert!(answer["as_of"].is_object());
        counts
    }

    async fn over_grpc(&self, logs: &mut Logs) -> Counts {
        let level =
            |name: &&str| LEVEL_NUMBERS.iter().find(|(known, _)| known == name).expect("it").1;
        let request = v1::AggregateRequest {
            services: self.services.iter().map(|service| (*service).to_owned()).collect(),
            levels: self.levels.iter().map(level).collect(),
            start_ns: self.range_ns.0,
            end_ns: self.range_ns.1,
            step_ns: self.step.map_or(0, |(_, step_ns)| step_ns as u64),
            one_step: self.step.is_none(),
            all_services: !self.by_service,
            all_levels: !self.by_level,
            ..v1::AggregateRequest::default()
        };
        let mut stream = logs.aggregate(request).await.expect("an answer").into_inner();
        let mut counts = Counts::new();
        let mut messages = 0;
        while let Some(message) = stream.message().await.expect("the answer goes on") {
            assert_eq!(message.as_of.is_some(), messages == 0, "as_of comes first, and once");
            messages += 1;
            for count in message.counts {
                let name = |level| {
                    let known = LEVEL_NUMBERS.iter().find(|(_, number)| *number == level);
                    known.expect("a level").0.to_owned()
                };
                let cell = (count.start_ns, count.service, count.level.map(name));
                assert!(counts.insert(cell, count.rows).is_none(), "a cell comes once");
            }
        }
        assert!(messages > 0, "an answer without counts still says what it shows");
        counts
    }
}

const LEVEL_NUMBERS: [(&str, i32); 4] = [("INFO", 3), ("ERROR", 5), ("DEBUG", 2), ("UNKNOWN", 0)];

/// `2026-01-02T03:00:00Z`, in January 2026.
fn nanoseconds(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| time[range].parse::<i64>().expect("digits");
    assert!(time.starts_with("2026-01-") && time.ends_with(":00Z"), "{time}");
    let days = number(8..10) - 1;
    FIRST_NS + days * DAY_NS + number(11..13) * HOUR_NS + number(14..16) * MINUTE_NS
}

fn questions() -> Vec<Question> {
    let hour = Some(("1h", HOUR_NS));
    let both = Question { step: hour, by_service: true, by_level: true, ..Question::default() };
    let odd = (Some(FIRST_NS + 7 * HOUR_NS + 13 * MINUTE_NS + 1), Some(FIRST_NS + 31 * HOUR_NS));
    vec![
        both,
        Question::default(),
        Question { step: Some(("1d", DAY_NS)), by_level: true, ..Question::default() },
        Question { step: Some(("15m", 15 * MINUTE_NS)), ..both },
        Question { step: Some(("90m", 90 * MINUTE_NS)), by_service: false, ..both },
        Question { step: None, by_level: false, ..both },
        Question { range_ns: odd, ..both },
        Question { range_ns: (odd.0, None), step: Some(("1d", DAY_NS)), ..both },
        Question { range_ns: (None, Some(FIRST_NS)), ..both },
        Question { services: &["db"], levels: &["ERROR", "UNKNOWN"], range_ns: odd, ..both },
        Question { services: &["shop \"é\"", "nobody"], step: None, ..both },
        Question { levels: &["FATAL"], services: &["nobody"], ..Question::default() },
    ]
}

#[tokio::test]
async fn counts_are_those_of_the_records_wherever_these_lie() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &["--tail-size", "64 KiB"]);
    let mut logs = Logs::new(connect(&server).await);
    let rows = rows();
    let (older, newer) = rows.split_at(2_000);
    store(&server, older);
    let check = async |logs: &mut Logs, rows: &[Row]| {
        for (n, question) in questions().into_iter().enumerate() {
            let wanted = question.counts(rows);
            assert_eq!(question.over_http(&server), wanted, "question {n} over HTTP");
            if !question.levels.contains(&"FATAL") {
                assert_eq!(question.over_grpc(logs).await, wanted, "question {n} over gRPC");
            }
        }
    };
    check(&mut logs, older).await;
    assert!(server.run(&["cluster", "seal"]).status.success());
    check(&mut logs, older).await;
    store(&server, newer);
    check(&mut logs, &rows).await;
}

#[test]
fn counts_are_no_record_and_no_page_of_messages_is_read_for_them() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    store(&server, &rows());
    assert!(server.run(&["cluster", "seal"]).status.success());
    let answer = server.get("/api/v1/logs/aggregates?by=level&step=all&explain=true").json();
    assert_eq!(answer["total"], 3_000);
    assert_eq!(answer["explain"]["pages_read"], 0, "the roll-up knows: {answer}");
    let too_many = server.get("/api/v1/logs/aggregates?step=1ms");
    assert!(too_many.status == 200, "3,000 counts are not too many: {too_many:?}");
    assert!(too_many.json()["aggregates"].as_array().expect("an array").len() > 2_900);
}
