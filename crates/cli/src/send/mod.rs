//! `varve send`: the lines of files, or of standard input, as records.

mod input;
mod pipeline;
mod progress;
mod tally;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::{Args, ValueEnum};
use varve_client::json_line::checked_service;
use varve_client::{AppendError, RetryPolicy, Sender};
use varve_types::{Epoch, Level, ProducerId, ProducerKey, TenantId};

use crate::endpoint::{EndpointArguments, runtime};
use crate::failure::Failure;
use input::Input;
use pipeline::{Pipeline, Reading, Stop};
use progress::Progress;
use tally::Tally;

/// Send the lines of files, or of standard input
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  varve send /var/log/syslog                      # service: syslog
  varve send --service shop shop.log shop.log.*.gz
  tail -f shop.log | varve send --service shop -
  journalctl -o short-iso | varve send --service journal -
  varve send --format json events.ndjson.zst      # fields of JSON objects
  varve send --producer nightly-2026-01-31 big.log  # run it again: nothing is stored twice

One record a line: the message is the line, unaltered. A time and a level that the line itself
says are recognised; a line without a time gets that of its receipt. Empty lines are skipped.
Lines are sent in batches of a few thousand, at the end of the input, and when standard input
says nothing for a moment (not with --producer, which needs the same batches every time).")]
pub(crate) struct SendArguments {
    /// Files (plain, .gz or .zst), or - for standard input
    #[arg(required = true, value_name = "FILE|-")]
    files: Vec<String>,
    /// The service of every line (with --format json: of objects without one). For files the
    /// file's name without its endings, if not given
    #[arg(long, value_name = "NAME", value_parser = service)]
    service: Option<Arc<str>>,
    /// The level of every line (with --format json: of objects without one). Recognised in each
    /// line, if not given
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Option<SpelledLevel>,
    /// What a line is
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    format: Format,
    /// The zone of times that do not say theirs: UTC, +02:00, -0330
    #[arg(long, value_name = "ZONE", default_value = "UTC", allow_hyphen_values = true, value_parser = zone)]
    timezone: i32,
    /// A name for this input: sending it again under the same name stores nothing twice
    /// [default: a new one each time]
    #[arg(long, value_name = "ID", value_parser = producer)]
    producer: Option<ProducerId>,
    /// Give up when the server has acknowledged nothing for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
    /// Compress what is sent: for slow networks
    #[arg(long)]
    compress: bool,
    /// How to print the counts at the end
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    endpoint: EndpointArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text: the message is the line
    Plain,
    /// A JSON object: message, level, timestamp and service are fields, all else attributes
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A sentence
    Text,
    /// One JSON object, stable for scripts
    Json,
}

/// A level, with its spelling where the table of spellings does not have it.
type SpelledLevel = (Level, Option<Arc<str>>);

fn service(text: &str) -> Result<Arc<str>, String> {
    checked_service(text).map_err(|error| error.to_string())
}

fn level(text: &str) -> Result<SpelledLevel, String> {
    match (Level::from_spelling(text), text.trim().is_empty()) {
        (_, true) => Err("a level is a word, for example WARN".to_owned()),
        (Some(level), _) => Ok((level, None)),
        (None, _) => Ok((Level::Unknown, Some(text.into()))),
    }
}

fn producer(text: &str) -> Result<ProducerId, String> {
    ProducerId::new(text).map_err(|error| error.to_string())
}

/// Seconds east of UTC.
fn zone(text: &str) -> Result<i32, String> {
    const WANTED: &str = "write it UTC, +02:00 or -0330";
    if ["UTC", "GMT", "Z"].iter().any(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(0);
    }
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(WANTED.to_owned()),
    };
    let digits: String = rest.chars().filter(|character| *character != ':').collect();
    let form = matches!((rest.len(), rest.find(':')), (4, None) | (5, Some(2)));
    match digits.parse::<i32>() {
        Ok(number) if form && digits.len() == 4 && number / 100 <= 18 && number % 100 < 60 => {
            Ok(sign * (number / 100 * 3600 + number % 100 * 60))
        }
        _ => Err(WANTED.to_owned()),
    }
}

pub(crate) fn run(arguments: &SendArguments) -> Result<(), Failure> {
    let inputs: Vec<Input> = arguments.files.iter().map(|file| Input::parse(file)).collect();
    let total_bytes = check(arguments, &inputs)?;
    let env = varve_env::Env::real();
    let producer = match &arguments.producer {
        Some(producer) => producer.clone(),
        None => ProducerId::new(&format!("send-{:016x}", env.random.next_u64()))
            .map_err(Failure::failed)?,
    };
    let runtime = runtime()?;
    runtime.spawn(end_when_interrupted(producer.clone()));
    let client = runtime.block_on(arguments.endpoint.connect())?;
    let patience = Duration::from_secs(arguments.patience);
    let client = client
        .with_policy(RetryPolicy { patience, ..RetryPolicy::default() })
        .with_compression(arguments.compress);
    let key = ProducerKey { tenant: TenantId(0), producer: producer.clone(), epoch: Epoch(0) };
    let sender = {
        let _entered = runtime.enter();
        Sender::new(client, key)
    };
    let reading = Reading {
        json: arguments.format == Format::Json,
        service: arguments.service.clone(),
        level: arguments.level.clone(),
        offset_seconds: arguments.timezone,
        now: env.clock.now(),
        live: arguments.producer.is_none(),
    };
    let read_bytes = Arc::new(AtomicU64::new(0));
    let progress = Progress::new(total_bytes, Arc::clone(&read_bytes));
    let mut pipeline = Pipeline::new(runtime.handle().clone(), sender, progress);
    let mut outcome = Ok(());
    for input in &inputs {
        outcome = pipeline.send(input, &reading, &read_bytes);
        if outcome.is_err() {
            break;
        }
    }
    let (tally, settled) = pipeline.finish();
    report(arguments, &producer, &tally, outcome.and(settled))
}

/// The exit code of what Ctrl-C ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Ctrl-C ends the process; what to do about the rest is said first.
async fn end_when_interrupted(producer: ProducerId) {
    if tokio::signal::ctrl_c().await.is_ok() {
        eprintln!(
            "\nvarve: interrupted; part of the input is stored. To send the rest, send the same files again with --producer {producer}: nothing is stored twice"
        );
        std::process::exit(INTERRUPTED);
    }
}

/// Finds mistakes before anything is sent. Answers how many bytes there are to read, where that
/// is known.
fn check(arguments: &SendArguments, inputs: &[Input]) -> Result<Option<u64>, Failure> {
    let mut total = Some(0);
    let mut stdin = 0;
    for input in inputs {
        let bytes = input
            .bytes()
            .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", input.name())))?;
        total = total.zip(bytes).map(|(total, bytes)| total + bytes);
        stdin += usize::from(*input == Input::Stdin);
    }
    if stdin > 1 {
        return Err(Failure::usage("standard input (-) can be sent once only"));
    }
    if stdin > 0 && arguments.service.is_none() && arguments.format == Format::Plain {
        return Err(Failure::usage(
            "standard input has no name to take the service from; give one with --service NAME",
        ));
    }
    Ok(total)
}

fn report(
    arguments: &SendArguments,
    producer: &ProducerId,
    tally: &Tally,
    outcome: Result<(), Stop>,
) -> Result<(), Failure> {
    for line in tally.further_refusals() {
        eprintln!("{line}");
    }
    let text = match arguments.output {
        Output::Text => tally.text(),
        Output::Json => tally.json(),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    match outcome {
        Ok(()) if tally.has_refusals() => Err(Failure::Told),
        Ok(()) => Ok(()),
        Err(Stop::Input { name, error }) => Err(Failure::Failed(format!(
            "cannot read {name} to its end: {error}; what was read of it is counted above"
        ))),
        Err(Stop::Batch { place, error }) => {
            let remedy = match &error {
                AppendError::Refused(refusal) if refusal.reason == "CONFLICT" => format!(
                    "\nThe input is not what producer {producer} sent before, or lines have been added to it: send it under another --producer"
                ),
                AppendError::Refused(_) => String::new(),
                _ => format!(
                    "\nSend the same files again with --producer {producer}: what is stored already is recognised, and nothing is stored twice"
                ),
            };
            Err(Failure::Failed(format!("{place}: {error}{remedy}")))
        }
    }
}
