//! The log lines of our own crates, as events of the trace: what a node says it does is part of
//! what must repeat.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::{note, seeds};

/// Notes every line of level INFO and above whose target is one of our crates. With
/// `VARVE_SIM_EVENTS=debug` there is more, also of other libraries; what they print may differ
/// between runs, addresses in memory for instance.
pub(crate) struct Observer {
    level: LevelFilter,
    others: LevelFilter,
}

impl Observer {
    pub(crate) fn new() -> Self {
        match seeds::is_debug_asked_for() {
            true => Self { level: LevelFilter::DEBUG, others: LevelFilter::INFO },
            false => Self { level: LevelFilter::INFO, others: LevelFilter::OFF },
        }
    }
}

impl Subscriber for Observer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata.target().starts_with("varve");
        *metadata.level() <= if is_ours { self.level } else { self.others }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        note(format_args!("{} {}{}", event.metadata().level(), event.metadata().target(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").expect("BUG: writing to a string fails");
    }
}
