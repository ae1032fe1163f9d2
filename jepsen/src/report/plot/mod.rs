//! One picture of a run: three panels over one axis of time, with the faults shaded in all of them.
//! SVG, written by hand: it is text, and small.

mod axes;
mod panels;
mod series;

use std::fmt::Write as _;

use axes::{Frame, HEIGHT, LABELS_TOP, PANELS, WIDTH};
use series::{Fault, Series};

use crate::history::{Calls, History};

/// Shades of faults; kinds take them in turn.
const SHADES: [&str; 8] =
    ["#f4c7c3", "#c7d9f4", "#d5ecc8", "#fbe3b5", "#e2d0f0", "#c9ecea", "#f3d3e4", "#dcdcc4"];

/// Rows in which names of faults stand, so that neighbours do not cover each other.
const LABEL_ROWS: usize = 3;

/// Draws a history.
pub(super) fn draw(history: &History, calls: &Calls<'_>) -> String {
    let series = Series::of(history);
    let frame = Frame::new(series.end_ns);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>"
    );
    faults(&mut out, &frame, &series.faults);
    panels::latency(&mut out, &frame, &series);
    panels::throughput(&mut out, &frame, &series);
    panels::availability(&mut out, &frame, &series);
    panels::recoveries(&mut out, &frame, history, calls);
    axes::time(&mut out, &frame);
    panels::legend(&mut out);
    out.push_str("</svg>\n");
    out
}

fn faults(out: &mut String, frame: &Frame, faults: &[Fault]) {
    let mut kinds: Vec<&str> = faults.iter().map(Fault::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (number, fault) in faults.iter().enumerate() {
        let shade = kinds.iter().position(|kind| *kind == fault.kind()).unwrap_or(0);
        let shade = SHADES[shade % SHADES.len()];
        let (left, right) = (frame.x(fault.from_ns), frame.x(fault.to_ns));
        let width = (right - left).max(1.0);
        // What was not seen to happen is only outlined.
        let style = if fault.is_seen {
            format!("fill=\"{shade}\" fill-opacity=\"0.6\"")
        } else {
            format!("fill=\"none\" stroke=\"{shade}\" stroke-dasharray=\"4 3\"")
        };
        for panel in PANELS {
            let (top, height) = (panel.top, panel.height);
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\" {style}/>"
            );
        }
        let y = LABELS_TOP + 13 * (number % LABEL_ROWS);
        let name = escaped(&fault.name);
        let _ = writeln!(
            out,
            "<text x=\"{left:.1}\" y=\"{y}\" font-size=\"10\">{name}</text>\n\
             <path d=\"M{left:.1} {}V{}\" stroke=\"#999\" stroke-width=\"0.5\"/>",
            y + 2,
            PANELS[0].top
        );
    }
}

/// A text within XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Action, Batch, Kind, Process, Selection};

    #[test]
    fn a_picture_has_its_faults_and_what_ended() {
        let mut history = History::default();
        let fault = |name: &str, detail: &str| Action::Fault {
            name: name.to_owned(),
            detail: detail.to_owned(),
        };
        let second = 1_000_000_000;
        let append = Action::Append {
            batch: Batch { producer: 1, sequence: 1 },
            rows: 1,
            places: Vec::new(),
        };
        let search = Action::Read { selection: Selection::All, found: Vec::new() };
        let (one, two) = (Process::Client(1), Process::Client(2));
        let heal = crate::checker::HEAL;
        for (time_ns, process, kind, action) in [
            (0, Process::Nemesis, Kind::Info, fault("kill-<one>", "begins")),
            (1, Process::Nemesis, Kind::Info, fault("kill-<one>", "installed: yes")),
            (second, one, Kind::Invoke, append.clone()),
            (2 * second, one, Kind::Info, append.clone()),
            (3 * second, Process::Nemesis, Kind::Info, fault(heal, "kill-<one>")),
            (3 * second, two, Kind::Invoke, search.clone()),
            (4 * second, two, Kind::Ok, search),
            (4 * second, one, Kind::Invoke, append.clone()),
            (5 * second, one, Kind::Ok, append),
        ] {
            history.push(time_ns, process, kind, action);
        }
        let series = Series::of(&history);
        let faults: Vec<_> = series.faults.iter().map(|it| (it.to_ns, it.is_seen)).collect();
        assert_eq!(faults, [(3 * second, true)]);
        let available: Vec<_> = series.seconds.iter().map(series::Second::availability).collect();
        assert_eq!(available, [None, None, Some(0.0), None, Some(1.0), Some(1.0)]);
        let picture = draw(&history, &history.calls().expect("a history"));
        assert!(picture.contains(">kill-&lt;one></text>"), "{picture}");
        assert!(picture.contains(">2.0 s</text>"), "the time until it was back: {picture}");
    }
}
