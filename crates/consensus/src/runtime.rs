//! openraft's view of the runtime: tokio, with random numbers that a simulation can seed.
//!
//! The trait has no instance, so the seed lives in a thread-local: a simulation runs all of its
//! nodes on one thread and seeds it once. Threads that nobody seeded draw from the operating
//! system.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use openraft_rt::{AsyncRuntime, Instant as _, OptionalSend};
use openraft_rt_tokio::TokioRuntime;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng, TryRng};

thread_local! {
    static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// Makes every election timeout drawn on this thread follow from `seed`: for simulations.
pub fn seed_this_thread(seed: u64) {
    SEEDED.with_borrow_mut(|rng| *rng = Some(StdRng::seed_from_u64(seed)));
}

type Instant = <Tokio as AsyncRuntime>::Instant;

/// Groups tick at multiples of this, where they tick together.
const TICK: Duration = Duration::from_millis(200);

/// The first of those ticks.
static TICKS_SINCE: OnceLock<Instant> = OnceLock::new();

/// Has all groups of this process tick at the same moments from now on, up to [`TICK`] later than
/// each would by itself: a node at rest then wakes up for all of them at once, and what they have
/// to say to a peer goes in one frame. A simulation lets them tick by themselves.
pub fn tick_together() {
    let _ = TICKS_SINCE.set(Instant::now());
}

fn next_tick(since: Instant, deadline: Instant) -> Instant {
    let passed = deadline.saturating_duration_since(since).as_nanos();
    let late = passed.next_multiple_of(TICK.as_nanos()) - passed;
    deadline + Duration::from_nanos(u64::try_from(late).unwrap_or(0))
}

/// tokio, with [`ThreadRng`].
#[derive(Debug)]
pub(crate) struct Runtime(TokioRuntime);

/// This thread's random numbers.
pub(crate) struct ThreadRng;

fn draw<T>(with: impl FnOnce(&mut dyn Rng) -> T) -> T {
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(rng) => with(rng),
        None => with(&mut rand::rng()),
    })
}

impl TryRng for ThreadRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(draw(|rng| rng.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(draw(|rng| rng.next_u64()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        draw(|rng| rng.fill_bytes(bytes));
        Ok(())
    }
}

type Tokio = TokioRuntime;

impl AsyncRuntime for Runtime {
    type JoinError = <Tokio as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <Tokio as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <Tokio as AsyncRuntime>::Sleep;
    type Instant = <Tokio as AsyncRuntime>::Instant;
    type TimeoutError = <Tokio as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <Tokio as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = ThreadRng;
    type Mpsc = <Tokio as AsyncRuntime>::Mpsc;
    type Watch = <Tokio as AsyncRuntime>::Watch;
    type Oneshot = <Tokio as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <Tokio as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        Tokio::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Tokio::sleep(duration)
    }

    /// openraft sleeps until an instant for nothing but ticks.
    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Tokio::sleep_until(TICKS_SINCE.get().map_or(deadline, |since| next_tick(*since, deadline)))
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        Tokio::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        Tokio::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        Tokio::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        ThreadRng
    }

    fn new(threads: usize) -> Self {
        Self(Tokio::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[tokio::test]
    async fn ticks_fall_together_and_never_early() {
        let since = Instant::now();
        let after = |ms| since + Duration::from_millis(ms);
        for (deadline, tick) in [(0, 0), (1, 200), (200, 200), (201, 400), (1999, 2000)] {
            assert_eq!(next_tick(since, after(deadline)), after(tick));
        }
        assert_eq!(next_tick(after(5), since), since, "before all ticks");
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let drawn = |seed| {
            seed_this_thread(seed);
            (0..9).map(|_| Runtime::thread_rng().random_range(1000..1500)).collect::<Vec<u64>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
