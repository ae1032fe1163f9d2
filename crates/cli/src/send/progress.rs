//! The progress bar: there on a terminal, nothing elsewhere.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error, or none.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    read_bytes: Arc<AtomicU64>,
}

impl Progress {
    /// Progress through inputs of this many bytes, where that is known.
    pub(super) fn new(total_bytes: Option<u64>, read_bytes: Arc<AtomicU64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let (bar, template) = match total_bytes {
                Some(bytes) => (
                    ProgressBar::new(bytes),
                    "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} read, {msg} lines stored",
                ),
                None => (
                    ProgressBar::new_spinner(),
                    "{elapsed_precise} {spinner} {bytes} read, {msg} lines stored",
                ),
            };
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                // The templates are constants that do parse; the bar's own style does too.
                Err(_) => bar,
            }
        });
        Self { bar, read_bytes }
    }

    pub(super) fn show(&self, stored_lines: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.read_bytes.load(Ordering::Relaxed));
            bar.set_message(stored_lines.to_string());
        }
    }

    /// Says something on standard error without breaking the bar.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
