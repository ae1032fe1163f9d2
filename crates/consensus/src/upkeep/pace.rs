//! How fast something may be done in the background: so many bytes a second, of all who do it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Unused time is kept for so long: whoever paused may catch up a little.
const SLACK: Duration = Duration::from_millis(100);

/// Lets bytes through one after the other.
pub(crate) struct Pace {
    bytes_per_s: u64,
    /// When all that was let through is over.
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) const fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s, free_at: Mutex::new(None) }
    }

    /// Waits until so many bytes may go.
    pub(crate) async fn take(&self, bytes: u64) {
        let takes = bytes.saturating_mul(1_000_000) / self.bytes_per_s.max(1);
        let begins = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = Instant::now().checked_sub(SLACK);
            let begins = free_at.or(earliest).max(earliest).unwrap_or_else(Instant::now);
            *free_at = Some(begins + Duration::from_micros(takes));
            begins
        };
        sleep_until(begins).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_two_take_together_takes_its_time() {
        let pace = Pace::new(1000);
        let began = Instant::now();
        let one = async {
            for _ in 0..10 {
                pace.take(100).await;
            }
        };
        let other = async {
            for _ in 0..10 {
                pace.take(100).await;
            }
        };
        futures::join!(one, other);
        let took = began.elapsed();
        assert!((1750..2000).contains(&took.as_millis()), "{took:?}");
    }
}
