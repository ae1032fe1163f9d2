//! The memory that requests on their way may take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AppendError;

/// Bytes are counted in units of this size, because the semaphore counts to 2^32.
const UNIT_BYTES: usize = 1 << 10;

/// A budget of bytes, shared by everything that holds a request.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    bytes: usize,
}

/// Bytes taken from a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub(crate) fn new(bytes: usize) -> Self {
        Self { units: Arc::new(Semaphore::new(bytes / UNIT_BYTES)), bytes }
    }

    /// Takes `bytes` from the budget.
    ///
    /// # Errors
    ///
    /// [`AppendError::Overloaded`] when that much is not free, [`AppendError::OverBudget`] when
    /// it never will be.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Reservation, AppendError> {
        let mut reservation = Reservation { budget: self.clone(), held: None };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// What is taken at the moment, in bytes.
    #[must_use]
    pub(crate) fn used_bytes(&self) -> usize {
        self.bytes.saturating_sub(self.units.available_permits() * UNIT_BYTES)
    }
}

impl Reservation {
    /// Takes `bytes` more.
    ///
    /// # Errors
    ///
    /// As [`Budget::reserve`]; what was held before is still held.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), AppendError> {
        let budget = &self.budget;
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * UNIT_BYTES;
        if held + bytes > budget.bytes {
            return Err(AppendError::OverBudget {
                bytes: held + bytes,
                budget_bytes: budget.bytes,
            });
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let more = Arc::clone(&budget.units)
            .try_acquire_many_owned(units)
            .map_err(|_| AppendError::Overloaded { budget_bytes: budget.bytes })?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let budget = Budget::new(64 << 10);
        let held = budget.reserve(40 << 10).expect("free");
        assert!(matches!(budget.reserve(30 << 10), Err(AppendError::Overloaded { .. })));
        assert_eq!(budget.used_bytes(), 40 << 10);
        drop(held);
        assert!(budget.reserve(64 << 10).is_ok());
        assert!(matches!(budget.reserve(65 << 10), Err(AppendError::OverBudget { .. })));
        let mut growing = budget.reserve(40 << 10).expect("free");
        assert!(matches!(growing.grow(30 << 10), Err(AppendError::OverBudget { .. })));
    }
}
