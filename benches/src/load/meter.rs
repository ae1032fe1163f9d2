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
    sheds: u64,
    acks: Vec<Ack>,
    /// Before the first batch, and as each tenth of the rows was acknowledged.
    marks: Vec<Mark>,
}

/// The acknowledgement of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    /// When it came.
    pub at: Instant,
    /// From sending first, or being due.
    pub took: Duration,
}

struct Mark {
    rows: u64,
    at: Instant,
    processor: Duration,
}

/// How fast rows were taken, and what one cost the server's processors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub rows_per_s: f64,
    pub processor_us_per_row: f64,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Until the last acknowledgement.
    pub whole: Pace,
    /// The run in the order of acknowledgements, by tenths of its rows.
    pub tenths: Vec<Pace>,
    /// How often the server asked to send a batch again later.
    pub sheds: u64,
    /// What acknowledgements took, sorted.
    pub latencies: Vec<Duration>,
    /// All of them, as they came.
    pub acks: Vec<Ack>,
}

impl Meter {
    /// Begins to measure a run of so many rows.
    pub(crate) fn begin(clock: ProcessorClock, rows: u64) -> Result<Self, Failure> {
        let first = Mark { rows: 0, at: Instant::now(), processor: clock.read()? };
        let state = State { acked_rows: 0, sheds: 0, acks: Vec::new(), marks: vec![first] };
        Ok(Self { clock, rows, state: Mutex::new(state) })
    }

    pub(crate) fn acked(&self, rows: u64, latency: Duration) -> Result<(), Failure> {
        let mut state = self.state.lock().map_err(|_| "another connection failed")?;
        state.acked_rows += rows;
        state.acks.push(Ack { at: Instant::now(), took: latency });
        let tenths = state.acked_rows * 10 / self.rows.max(1);
        if tenths >= state.marks.len() as u64 {
            let processor = self.clock.read()?;
            let mark = Mark { rows: state.acked_rows, at: Instant::now(), processor };
            state.marks.push(mark);
        }
        Ok(())
    }

    /// Counts a batch that is to be sent again.
    pub(crate) fn shed(&self) -> Result<(), Failure> {
        self.state.lock().map_err(|_| "another connection failed")?.sheds += 1;
        Ok(())
    }

    pub(crate) fn end(self) -> Result<Measured, Failure> {
        let state = self.state.into_inner().map_err(|_| "a connection failed")?;
        if state.acked_rows != self.rows {
            let acked = state.acked_rows;
            return Err(format!("{acked} of {} rows were acknowledged", self.rows).into());
        }
        let mut latencies: Vec<Duration> = state.acks.iter().map(|ack| ack.took).collect();
        latencies.sort_unstable();
        let [first, .., last] = state.marks.as_slice() else {
            return Err("nothing was sent".into());
        };
        Ok(Measured {
            whole: Pace::between(first, last),
            tenths: state.marks.windows(2).map(|pair| Pace::between(&pair[0], &pair[1])).collect(),
            sheds: state.sheds,
            latencies,
            acks: state.acks,
        })
    }
}

impl Pace {
    fn between(from: &Mark, to: &Mark) -> Self {
        let rows = (to.rows - from.rows) as f64;
        let processor = to.processor.saturating_sub(from.processor);
        Self {
            rows_per_s: rows / (to.at - from.at).as_secs_f64(),
            processor_us_per_row: processor.as_secs_f64() * 1e6 / rows,
        }
    }
}
