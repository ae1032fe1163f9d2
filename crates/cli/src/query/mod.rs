//! `varve query`: finding records.

mod explain;
mod output;
mod own_members;
mod when;

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use varve_client::{Consistency, Order, Query, Total};
use varve_types::{Level, TimeRange, TimestampNs, limits};

use crate::endpoint::{EndpointArguments, call_failure, runtime};
use crate::failure::Failure;
use output::Output;

/// Find records by words, service, level, attributes and time
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  varve query 'timeout'                                  # a word, in any case
  varve query 'payment \"connection refused\"' --since 1h  # all words, and the phrase
  varve query --service checkout --level error --level fatal
  varve query --attr user.id=42 --from 2026-01-01 --to 2026-02-01 --order oldest
  varve query 'timeout' --output jsonl | jq -r .message
  varve query 'timeout' --limit 10 --no-total            # the ten newest, at once
  varve query 'timeout' --explain                        # what made it fast, or slow

The records go to standard output, how many there are in all to standard error.")]
pub(crate) struct QueryArguments {
    /// Words and "quoted phrases", all of which must occur; none finds everything. Quote them for
    /// your shell: '"connection refused" eu-1'
    words: Vec<String>,
    /// Only records of this service; repeat it for several
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
    /// Only records of this level; repeat it for several
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Vec<Level>,
    /// Only records with this attribute; repeat it for several, all of which must hold
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    attr: Vec<(String, String)>,
    /// Only the last 30s, 15m, 1h, 7d, 2w
    #[arg(long, value_name = "DURATION", value_parser = when::duration, conflicts_with_all = ["from", "to"])]
    since: Option<when::Ago>,
    /// Only records at or after this time: 2026-01-31T12:00:00Z, 2026-01-31, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = when::time)]
    from: Option<TimestampNs>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = when::time)]
    to: Option<TimestampNs>,
    /// How many records to print at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=limits::PAGE_SIZE_MAX as i64))]
    limit: u32,
    /// Which records come first
    #[arg(long, value_enum, default_value_t = OrderArgument::Newest)]
    order: OrderArgument,
    /// Do not count what matches beyond --limit: the search ends when it has enough
    #[arg(long)]
    no_total: bool,
    /// Print to standard error what each step of the search ruled out, and what was read
    #[arg(long)]
    explain: bool,
    /// Leave out what no node can serve now, and say on standard error what that is
    #[arg(long)]
    partial: bool,
    /// Show what the nearest copies have, perhaps not the newest records; needs no leaders
    #[arg(long)]
    stale: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    endpoint: EndpointArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OrderArgument {
    /// The newest first
    Newest,
    /// The oldest first
    Oldest,
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_spelling(text).ok_or_else(|| {
        let names: Vec<_> = Level::ALL.iter().rev().map(|level| level.name()).collect();
        format!("the levels are {}", names.join(", "))
    })
}

fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it NAME=VALUE, for example user.id=42".to_owned()),
    }
}

impl QueryArguments {
    fn query(&self, now: TimestampNs) -> Query {
        let start = self.since.map(|ago| ago.before(now)).or(self.from);
        let order = match self.order {
            OrderArgument::Newest => Order::Newest,
            OrderArgument::Oldest => Order::Oldest,
        };
        Query {
            services: self.service.clone(),
            levels: self.level.clone(),
            time: TimeRange { start, end: self.to },
            words: self.words.join(" "),
            attributes: self.attr.clone(),
            order,
            offset: 0,
            limit: self.limit,
            total: if self.no_total { Total::None } else { Total::Exact },
            explain: self.explain,
            consistency: if self.stale { Consistency::Stale } else { Consistency::Linearizable },
            partial: self.partial,
        }
    }
}

pub(crate) fn run(arguments: &QueryArguments) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from >= to
    {
        return Err(Failure::usage("--from must be before --to: the end is not part of the range"));
    }
    if arguments.words.first().is_some_and(|word| word.trim_start().starts_with('{')) {
        return Err(Failure::usage(
            "a selector in braces is LogQL, which this version does not read: select with \
             --service, --level and --attr, and give words",
        ));
    }
    let query = arguments.query(varve_env::Clock::system().now());
    let runtime = runtime()?;
    runtime.block_on(async {
        let client = arguments.endpoint.connect().await?;
        let mut answer = client.query(&query).await.map_err(call_failure)?;
        let mut out = BufWriter::new(io::stdout().lock());
        let mut printer = output::Printer::new(arguments.output, answer.total());
        printer.begin(&mut out)?;
        while let Some(record) = answer.next().await.map_err(call_failure)? {
            printer.record(&mut out, &record)?;
        }
        printer.end(&mut out)?;
        out.flush()?;
        eprintln!("{}", printer.summary());
        for warning in answer.warnings() {
            eprintln!("varve: not in this answer: {warning}");
        }
        if let Some(explain) = answer.explain() {
            eprint!("{}", explain::table(explain));
        }
        Ok(())
    })
}
