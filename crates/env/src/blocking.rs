//! Work that would block the runtime: on a thread in production, inline in a simulation.

use std::panic::resume_unwind;
use std::time::Duration;

/// Where jobs run that read or write files, or compute for long.
#[derive(Clone, Debug)]
pub struct Blocking(Place);

#[derive(Clone, Debug)]
enum Place {
    Threads,
    #[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "made by the simulation"))]
    Inline(Duration),
}

impl Blocking {
    /// Jobs run on tokio's pool of blocking threads.
    #[must_use]
    pub const fn threads() -> Self {
        Self(Place::Threads)
    }

    /// Jobs run inline, each after `delay` of virtual time: the simulation's.
    #[cfg(feature = "sim")]
    #[must_use]
    pub const fn inline(delay: Duration) -> Self {
        Self(Place::Inline(delay))
    }

    /// Runs a job and answers what it returns. A job that has begun runs to its end even when
    /// the caller stops waiting.
    ///
    /// # Panics
    ///
    /// As the job.
    pub async fn run<T, J>(&self, job: J) -> T
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        match self.0 {
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
            Place::Inline(delay) => {
                tokio::time::sleep(delay).await;
                job()
            }
        }
    }
}
