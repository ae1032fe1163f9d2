//! Histories: every call that was made, when it began and how it ended, in one order.
//!
//! They have Jepsen's form: an operation of type `invoke`, and one of type `ok`, `fail` or `info`
//! of the same process that ends it. A process does one thing at a time. `fail` means that it did
//! not happen and never will; `info`, and no end at all, that nobody knows.

mod call;
mod edn;
mod op;
mod recorder;

pub use call::{Called, Calls, End, Malformed, Moment};
pub use edn::{NoHistory, read, write};
pub use op::{Action, Batch, Element, Found, Kind, Op, Place, Process, ReplicaState, Selection};
pub use recorder::Recorder;

/// All operations of one run, in the order in which they happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    ops: Vec<Op>,
}

impl History {
    /// Adds an operation, which gets the next index.
    pub fn push(&mut self, time_ns: u64, process: Process, kind: Kind, action: Action) {
        self.push_with(time_ns, process, kind, action, None);
    }

    /// The same, with what went wrong.
    pub fn push_with(
        &mut self,
        time_ns: u64,
        process: Process,
        kind: Kind,
        action: Action,
        error: Option<String>,
    ) {
        let index = self.ops.len() as u64;
        self.ops.push(Op { index, time_ns, process, kind, action, error });
    }

    /// All of them, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The calls of clients, each with its end.
    ///
    /// # Errors
    ///
    /// An end that nothing began, a process that began two things, or times that go back.
    pub fn calls(&self) -> Result<Calls<'_>, Malformed> {
        Calls::of(&self.ops)
    }
}
