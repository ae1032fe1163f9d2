//! What clients have the harness do: an operator who stops a process, or takes a disk away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::faults::Action;

/// Actions that are done before time goes on. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Levers(Arc<Mutex<Vec<Action>>>);

impl Levers {
    /// Has something done, at this virtual time.
    pub fn pull(&self, action: Action) {
        self.lock().push(action);
    }

    pub(crate) fn take(&self) -> Vec<Action> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Action>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
