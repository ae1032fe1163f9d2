//! What stands in each panel.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::axes::{Frame, PANELS};
use super::series::{Class, Second, Series};
use crate::checker::Back;
use crate::history::{Calls, History};

const SECOND_NS: u64 = 1_000_000_000;

/// The panel of latencies begins at 100 µs and has this many powers of ten.
const LATENCY_LEAST_NS: f64 = 1e5;
const LATENCY_DECADES: f64 = 6.0;
const DECADES: [&str; 7] = ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"];

const APPEND: &str = "#2166ac";
const SEARCH: &str = "#1b9e77";
const FAIL: &str = "#e08214";
const INFO: &str = "#c51b7d";
const MEDIAN: &str = "#000000";
const SLOW: &str = "#7f3b08";
const BACK: &str = "#d00000";

const fn colour(class: Class) -> &'static str {
    match class {
        Class::OkAppend => APPEND,
        Class::OkSearch => SEARCH,
        Class::Fail => FAIL,
        Class::Info => INFO,
    }
}

pub(super) fn latency(out: &mut String, frame: &Frame, series: &Series) {
    let panel = PANELS[0];
    let part = |ns: u64| (ns as f64 / LATENCY_LEAST_NS).max(1.0).log10() / LATENCY_DECADES;
    let lines: Vec<(f64, String)> = (0_u32..)
        .zip(DECADES)
        .map(|(decade, means)| (f64::from(decade) / LATENCY_DECADES, means.to_owned()))
        .collect();
    panel.draw(out, "latency", &lines);
    // Calls that fall on one spot are drawn once: the picture stays small, however long the run.
    let mut spots: BTreeMap<Class, HashSet<(i64, i64)>> = BTreeMap::new();
    for point in &series.points {
        let (x, y) = (frame.x(point.begun_ns), panel.y(part(point.ended_ns - point.begun_ns)));
        spots.entry(point.class).or_default().insert(((x * 2.0) as i64, y as i64));
    }
    for (class, spots) in spots {
        let mut spots: Vec<_> = spots.into_iter().collect();
        spots.sort_unstable();
        let spot = |(x, y): (i64, i64)| format!("M{} {y}h1.5", x as f64 / 2.0);
        let path: String = spots.into_iter().map(spot).collect();
        let colour = colour(class);
        let _ = writeln!(
            out,
            "<path d=\"{path}\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-opacity=\"0.55\"/>"
        );
    }
    for (quantile, colour) in [(0.5, MEDIAN), (0.99, SLOW)] {
        let value = |second: &Second| second.quantile_ns(quantile).map(part);
        line(out, frame, series, 0, colour, value);
    }
}

pub(super) fn throughput(out: &mut String, frame: &Frame, series: &Series) {
    let panel = PANELS[1];
    let most = |second: &Second| second.appended.max(second.found).max(second.not_well);
    let top = series.seconds.iter().map(most).max().unwrap_or(0).max(1) as f64 * 1.1;
    let lines = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| (part, format!("{:.0}/s", top * part)));
    panel.draw(out, "throughput", &lines);
    line(out, frame, series, 1, APPEND, |second| Some(second.appended as f64 / top));
    line(out, frame, series, 1, SEARCH, |second| Some(second.found as f64 / top));
    line(out, frame, series, 1, FAIL, |second| Some(second.not_well as f64 / top));
}

pub(super) fn availability(out: &mut String, frame: &Frame, series: &Series) {
    let panel = PANELS[2];
    let lines = [0.0, 0.5, 1.0].map(|part| (part, format!("{:.0} %", part * 100.0)));
    panel.draw(out, "went well", &lines);
    line(out, frame, series, 2, MEDIAN, Second::availability);
}

/// A line over all seconds, with gaps where there is nothing to show.
fn line(
    out: &mut String,
    frame: &Frame,
    series: &Series,
    panel: usize,
    colour: &str,
    value: impl Fn(&Second) -> Option<f64>,
) {
    let mut path = String::new();
    let mut is_drawn = false;
    for (at, second) in (0_u64..).zip(&series.seconds) {
        let Some(value) = value(second) else {
            is_drawn = false;
            continue;
        };
        let x = frame.x(at * SECOND_NS + SECOND_NS / 2);
        let command = if is_drawn { 'L' } else { 'M' };
        let _ = write!(path, "{command}{x:.1} {:.1}", PANELS[panel].y(value));
        is_drawn = true;
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.3\"/>"
    );
}

/// When each heal was, and when the cluster answered again.
pub(super) fn recoveries(out: &mut String, frame: &Frame, history: &History, calls: &Calls<'_>) {
    let panel = PANELS[2];
    for recovery in crate::checker::recoveries(history, calls) {
        let (Back::Asked(Some(append)), Back::Asked(Some(search))) =
            (recovery.append, recovery.search)
        else {
            continue;
        };
        let back_ns = append.max(search);
        let (healed, back) = (frame.x(recovery.healed_ns), frame.x(recovery.healed_ns + back_ns));
        let y = panel.top + panel.height - 6;
        let _ = writeln!(
            out,
            "<path d=\"M{healed:.1} {y}H{back:.1}\" stroke=\"{BACK}\" stroke-width=\"3\"/>\n\
             <text x=\"{:.1}\" y=\"{}\" font-size=\"9\" fill=\"{BACK}\">{:.1} s</text>",
            back + 3.0,
            y + 3,
            back_ns as f64 / 1e9
        );
    }
}

pub(super) fn legend(out: &mut String) {
    let entries = [
        (APPEND, "append, ok"),
        (SEARCH, "search, ok"),
        (FAIL, "refused, or in the panel of throughput not well"),
        (INFO, "nobody knows"),
        (MEDIAN, "median of ok"),
        (SLOW, "99th percentile of ok"),
        (BACK, "from a heal until both go well again"),
    ];
    let mut x = 70;
    for (colour, means) in entries {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"14\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\n\
             <text x=\"{}\" y=\"23\">{means}</text>",
            x + 14
        );
        x += 36 + means.len() * 6;
    }
}
