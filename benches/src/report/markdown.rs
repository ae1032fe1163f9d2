//! A report as Markdown tables, one for each part: what docs/benchmarks.md shows.

use std::fmt::Write as _;

use super::Report;
use super::figure::{Figure, Floor, Outcome, number};

pub(super) fn tables(report: &Report) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("BUG: writing into a string failed");
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    let day = report.begun.strftime("%Y-%m-%d");
    writeln!(text, "{day}, {}.", report.heading().replace('\n', "; "))?;
    let mut part = "";
    for figure in &report.figures {
        if figure.part != part {
            part = figure.part;
            writeln!(text, "\n### {part}\n\n| figure | value | floor | |\n|---|---:|---:|---|")?;
        }
        let (value, verdict) = value_and_verdict(figure);
        let floor = figure.floor.map_or_else(String::new, Floor::text);
        writeln!(text, "| {} | {value} | {floor} | {verdict} |", figure.name)?;
    }
    for skipped in &report.skipped {
        writeln!(text, "\nSkipped: {skipped}.")?;
    }
    Ok(())
}

fn value_and_verdict(figure: &Figure) -> (String, String) {
    match &figure.outcome {
        Outcome::Measured(value) => {
            let verdict = figure.floor.map_or("", |floor| match floor.holds(*value) {
                true => "holds",
                false => "**missed**",
            });
            let value = format!("{} {}", number(*value), figure.unit);
            (value.trim_end().to_owned(), verdict.to_owned())
        }
        Outcome::NotAnswered(why) => (String::new(), format!("not answered: {why}")),
        Outcome::Wrong(why) => (String::new(), format!("**wrong**: {why}")),
    }
}
