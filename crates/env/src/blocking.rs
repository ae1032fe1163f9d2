//! Work that would block the runtime: on a thread in production, inline in a simulation.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How much less than others a thread of the background counts where processors are short: about a
/// tenth at nice 10.
#[cfg(target_os = "linux")]
const BACKGROUND_NICE: i32 = 10;

/// Where jobs run that read or write files, or compute for long.
#[derive(Clone, Debug)]
pub struct Blocking(Place);

#[derive(Clone, Debug)]
enum Place {
    Threads {
        background: Arc<Background>,
    },
    #[cfg(feature = "sim")]
    Inline {
        longest: Longest,
        timing: crate::Random,
    },
}

/// Says how long a job takes at most, in virtual time.
#[cfg(feature = "sim")]
#[derive(Clone)]
struct Longest(Arc<dyn Fn() -> std::time::Duration + Send + Sync>);

/// The threads of the background: as many as there are processors, at a lower priority.
struct Background {
    /// Its blocking threads alone are used. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Blocking {
    /// Jobs run on tokio's pool of blocking threads, those of the background on threads of their
    /// own.
    ///
    /// # Panics
    ///
    /// When the machine gives this process no more threads or file descriptors.
    #[must_use]
    pub fn threads() -> Self {
        Self(Place::Threads { background: Arc::new(Background::start()) })
    }

    /// Jobs run inline, each taking at most what `longest` says of virtual time, and those of the
    /// background ten times as much: the simulation's. `timing` decides how long each takes, so that
    /// they overtake each other, and whether that passes before the job is done or after, before its
    /// caller hears of it; so a crash, or a caller that gives up, falls now on this side of the job
    /// and now on the other.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn inline(
        longest: impl Fn() -> std::time::Duration + Send + Sync + 'static,
        timing: crate::Random,
    ) -> Self {
        Self(Place::Inline { longest: Longest(Arc::new(longest)), timing })
    }

    /// Runs a job and answers what it returns. A job that has begun runs to its end even when
    /// the caller stops waiting; one that has not begun may then run or not.
    ///
    /// # Panics
    ///
    /// As the job.
    pub async fn run<T, J>(&self, job: J) -> T
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        match &self.0 {
            Place::Threads { .. } => {
                #[expect(clippy::disallowed_methods, reason = "this is the one place for it")]
                let job = tokio::task::spawn_blocking(job);
                outcome(job).await
            }
            #[cfg(feature = "sim")]
            Place::Inline { longest, timing } => inline((longest.0)(), timing, job).await,
        }
    }

    /// The same for work that nobody waits for, and that takes long: it makes way for all else
    /// where processors are short, and no more of it goes on at once than there are processors.
    ///
    /// # Panics
    ///
    /// As the job.
    pub async fn run_in_background<T, J>(&self, job: J) -> T
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        match &self.0 {
            Place::Threads { background } => outcome(background.spawn(job)).await,
            #[cfg(feature = "sim")]
            Place::Inline { longest, timing } => inline((longest.0)() * 10, timing, job).await,
        }
    }
}

async fn outcome<T>(job: JoinHandle<T>) -> T {
    match job.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down and never started the job: nobody is left to tell.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(feature = "sim")]
async fn inline<T>(
    longest: std::time::Duration,
    timing: &crate::Random,
    job: impl FnOnce() -> T,
) -> T {
    // Tokio's timers tell no more apart than milliseconds.
    let delay = match u64::try_from(longest.as_millis()) {
        Ok(0) | Err(_) => longest,
        Ok(longest_ms) => std::time::Duration::from_millis(1 + timing.next_u64() % longest_ms),
    };
    let before = timing.next_u64() & 1 == 0;
    if before {
        tokio::time::sleep(delay).await;
    }
    let value = job();
    if !before {
        tokio::time::sleep(delay).await;
    }
    value
}

#[cfg(feature = "sim")]
impl fmt::Debug for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Longest")
    }
}

impl Background {
    fn start() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(processors)
            .thread_name("background")
            .on_thread_start(lower_priority)
            .build()
            .expect("threads and file descriptors for the background");
        Self { runtime: Some(runtime) }
    }

    fn spawn<T, J>(&self, job: J) -> JoinHandle<T>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let runtime = self.runtime.as_ref().expect("BUG: the background is used while dropped");
        runtime.spawn_blocking(job)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // To wait for what goes on would block the thread that drops this.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Background")
    }
}

/// Linux keeps a priority for each thread; elsewhere it would be the whole process's.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BACKGROUND_NICE) {
        tracing::debug!("background threads keep the priority of the others: {error}");
    }
}
