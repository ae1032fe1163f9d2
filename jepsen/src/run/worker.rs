//! A client at work: does what the generator decides, until the run is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::caller::Caller;
use crate::generator::{Generator, Step};
use crate::history::Batch;

/// Whoever was refused asks again after so long.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// A client; what is sent to two nodes at once comes from two.
pub(super) struct Worker {
    generator: Generator,
    caller: Caller,
    is_over: Arc<AtomicBool>,
}

impl Worker {
    pub(super) const fn new(
        generator: Generator,
        caller: Caller,
        is_over: Arc<AtomicBool>,
    ) -> Self {
        Self { generator, caller, is_over }
    }

    /// Works until it is over.
    pub(super) async fn work(mut self) {
        while !self.is_over() {
            let step = self.generator.step();
            let number = self.generator.any();
            match step {
                Step::Append { batch, is_hedged } => {
                    self.append_until_done(batch, is_hedged).await;
                }
                Step::AppendAgain(batch) => {
                    self.caller.append(batch, number).await;
                }
                Step::Search(selection) => {
                    self.caller.search(selection, number).await;
                }
            }
            tokio::time::sleep(self.generator.pause()).await;
        }
    }

    /// Resending is always safe, also to two nodes at once.
    async fn append_until_done(&mut self, batch: Batch, is_hedged: bool) {
        let mut other = is_hedged.then(|| self.caller.another());
        while !self.is_over() {
            let number = self.generator.any();
            let own = self.caller.append(batch, number);
            let is_done = match &mut other {
                Some(other) => {
                    let (own, others) = tokio::join!(own, other.append(batch, number ^ 1));
                    own || others
                }
                None => own.await,
            };
            if is_done {
                self.generator.acknowledged(batch);
                return;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}
