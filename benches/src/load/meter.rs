//! Counts acknowledgements while they come, and looks at the server's processor time at each tenth
//! of the rows: what a row costs must not grow with what is stored.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::server::ProcessorClock;

/// Counts for all connections of a run.
pub(crate) struct Meter {
    clock: ProcessorClock,
    rows: u64,
    state: Mutex<State>,
}

struct State {
    acked_rows: u64,
    latencies: Vec<Duration>,
    /// Before the first batch, and as each tenth of the rows was acknowledged.
    marks: Vec<Mark>,
}

#[derive(Clone, Copy)]
struct Mark {
    rows: u64,
    at: Instant,
    processor: Duration,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Measured {
    pub rows_per_s: f64,
    /// Of the server, per row, until the last acknowledgement.
    pub processor_us_per_row: f64,
    pub processor_us_per_row_first_tenth: f64,
    pub processor_us_per_row_last_tenth: f64,
    pub rows_per_s_first_tenth: f64,
    pub rows_per_s_last_tenth: f64,
    /// From sending, or being due, to the acknowledgement; sorted.
    pub latencies: Vec<Duration>,
}

impl Meter {
    /// Begins to measure a run of so many rows.
    pub(crate) fn begin(clock: ProcessorClock, rows: u64) -> Result<Self, Failure> {
        let first = Mark { rows: 0, at: Instant::now(), processor: clock.read()? };
        let state = State { acked_rows: 0, latencies: Vec::new(), marks: vec![first] };
        Ok(Self { clock, rows, state: Mutex::new(state) })
    }

    pub(crate) fn acked(&self, rows: u64, latency: Duration) -> Result<(), Failure> {
        let mut state = self.state.lock().map_err(|_| "another connection failed")?;
        state.acked_rows += rows;
        state.latencies.push(latency);
        let tenths = state.acked_rows * 10 / self.rows.max(1);
        if tenths >= state.marks.len() as u64 {
            let processor = self.clock.read()?;
            let mark = Mark { rows: state.acked_rows, at: Instant::now(), processor };
            state.marks.push(mark);
        }
        Ok(())
    }

    pub(crate) fn end(self) -> Result<Measured, Failure> {
        let mut state = self.state.into_inner().map_err(|_| "a connection failed")?;
        if state.acked_rows != self.rows {
            let acked = state.acked_rows;
            return Err(format!("{acked} of {} rows were acknowledged", self.rows).into());
        }
        state.latencies.sort_unstable();
        let marks = &state.marks;
        let [first, .., last] = marks.as_slice() else { return Err("nothing was sent".into()) };
        let (first, last) = (*first, *last);
        let second = marks[1];
        let last_but_one = marks[marks.len() - 2];
        Ok(Measured {
            rows_per_s: rows_per_s(first, last),
            processor_us_per_row: processor_us_per_row(first, last),
            processor_us_per_row_first_tenth: processor_us_per_row(first, second),
            processor_us_per_row_last_tenth: processor_us_per_row(last_but_one, last),
            rows_per_s_first_tenth: rows_per_s(first, second),
            rows_per_s_last_tenth: rows_per_s(last_but_one, last),
            latencies: state.latencies,
        })
    }
}

fn rows_per_s(from: Mark, to: Mark) -> f64 {
    (to.rows - from.rows) as f64 / (to.at - from.at).as_secs_f64()
}

fn processor_us_per_row(from: Mark, to: Mark) -> f64 {
    (to.processor.saturating_sub(from.processor)).as_secs_f64() * 1e6
        / (to.rows - from.rows).max(1) as f64
}
