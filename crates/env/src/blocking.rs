//! Work that would block the runtime: on a thread in production, inline in a simulation.

use std::panic::resume_unwind;

/// Where jobs run that read or write files, or compute for long.
#[derive(Clone, Debug)]
pub struct Blocking(Place);

#[derive(Clone, Debug)]
enum Place {
    Threads,
    #[cfg(feature = "sim")]
    Inline {
        delay: std::time::Duration,
        timing: crate::Random,
    },
}

impl Blocking {
    /// Jobs run on tokio's pool of blocking threads.
    #[must_use]
    pub const fn threads() -> Self {
        Self(Place::Threads)
    }

    /// Jobs run inline, each taking `delay` of virtual time: the simulation's. `timing` decides
    /// whether that passes before the job is done or after, before its caller hears of it; so a
    /// crash, or a caller that gives up, falls now on this side of the job and now on the other.
    #[cfg(feature = "sim")]
    #[must_use]
    pub const fn inline(delay: std::time::Duration, timing: crate::Random) -> Self {
        Self(Place::Inline { delay, timing })
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
            Place::Threads => {
                #[expect(clippy::disallowed_methods, reason = "this is the one place for it")]
                let handle = tokio::task::spawn_blocking(job);
                match handle.await {
                    Ok(value) => value,
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => resume_unwind(panic),
                        // The runtime is shutting down and never started the job: nobody is left
                        // to tell.
                        Err(_) => std::future::pending().await,
                    },
                }
            }
            #[cfg(feature = "sim")]
            Place::Inline { delay, timing } => {
                let before = timing.next_u64() & 1 == 0;
                if before {
                    tokio::time::sleep(*delay).await;
                }
                let value = job();
                if !before {
                    tokio::time::sleep(*delay).await;
                }
                value
            }
        }
    }
}
