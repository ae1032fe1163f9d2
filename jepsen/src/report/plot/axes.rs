//! Where things stand in the picture: its panels, and the axis of time that they share.

use std::fmt::Write as _;

pub(super) const WIDTH: usize = 1_240;
pub(super) const HEIGHT: usize = 800;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 1_220.0;

/// Where the first row of names of faults stands.
pub(super) const LABELS_TOP: usize = 46;

/// A panel, from its top on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub(super) top: usize,
    pub(super) height: usize,
}

pub(super) const PANELS: [Panel; 3] = [
    Panel { top: 84, height: 350 },
    Panel { top: 464, height: 150 },
    Panel { top: 644, height: 110 },
];

/// The axis of time.
pub(super) struct Frame {
    end_ns: u64,
}

impl Frame {
    pub(super) const fn new(end_ns: u64) -> Self {
        Self { end_ns }
    }

    /// Where a moment stands.
    pub(super) fn x(&self, time_ns: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * (time_ns as f64 / self.end_ns.max(1) as f64).min(1.0)
    }
}

impl Panel {
    /// Where a value stands that is a part, from 0 to 1, of what the panel shows.
    pub(super) fn y(self, part: f64) -> f64 {
        self.top as f64 + self.height as f64 * (1.0 - part.clamp(0.0, 1.0))
    }

    /// Its border, its name, and lines at these parts with what they mean.
    pub(super) fn draw(self, out: &mut String, name: &str, lines: &[(f64, String)]) {
        let (top, height) = (self.top, self.height);
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{height}\" fill=\"none\" \
             stroke=\"#666\"/>\n<text transform=\"translate(16 {}) rotate(-90)\" \
             text-anchor=\"middle\">{name}</text>",
            RIGHT - LEFT,
            top + height / 2
        );
        for (part, means) in lines {
            let y = self.y(*part);
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#ddd\" stroke-width=\"0.6\"/>\n\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{means}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
    }
}

/// The time below all panels, in steps that leave room for their numbers.
pub(super) fn time(out: &mut String, frame: &Frame) {
    let seconds = frame.end_ns / 1_000_000_000;
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
    let step = steps.into_iter().find(|step| seconds / step <= 20).unwrap_or(3_600);
    let bottom = PANELS[2].top + PANELS[2].height;
    for second in (0..=seconds).step_by(usize::try_from(step).unwrap_or(1)) {
        let x = frame.x(second * 1_000_000_000);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {bottom}v5\" stroke=\"#666\"/>\n\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{second}</text>",
            bottom + 18
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">seconds since the run began</text>",
        f64::midpoint(LEFT, RIGHT),
        bottom + 36
    );
}
