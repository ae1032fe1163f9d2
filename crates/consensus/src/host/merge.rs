//! Merging the shards of a node: one merge at a time, no faster than it is told to, and giving
//! way to those who write and read.
//!
//! While the node is busy a merge works a part of the time and pauses nine; equal parts when
//! more segments wait than it seems to keep up with. A merge that fails stops nothing: the disk
//! is given time, and segments that cannot be read are left alone for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};
use varve_shard::{MergeError, MergeJob, WriteError};
use varve_types::ShardId;

use super::Inner;
use super::local::Local;
use crate::machine::ShardHome;

/// How many times as long as it worked a merge pauses while the node is busy.
const BUSY_PAUSES: u32 = 9;
/// The same when merges do not keep up: searches would soon read too many segments.
const PILED_UP_PAUSES: u32 = 1;
/// So many segments of one shard waiting mean that merges do not keep up.
const PILED_UP_SEGMENTS: usize = 32;
/// Whatever is to be waited for, a merge goes on after this.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How long to wait after the disk refused; twice as long each time it does again.
const DISK_RETRY: Duration = Duration::from_secs(1);
const DISK_RETRY_MAX: Duration = Duration::from_secs(300);
/// How long segments are left alone that could not be merged.
const SET_ASIDE: Duration = Duration::from_secs(600);

/// What is waited with because merges failed.
#[derive(Default)]
struct Setbacks {
    /// The disk refused so many times one after the other.
    refusals: u32,
    /// Until then nothing is merged.
    until: Option<Instant>,
    /// Segments that are left alone, until when.
    set_aside: BTreeMap<ShardId, BTreeMap<String, Instant>>,
}

/// A merge that is worth trying.
struct Work {
    shard: ShardId,
    home: Arc<ShardHome>,
    closed: bool,
    job: MergeJob,
}

/// Merges whatever is to be merged, until the node stops.
pub(super) async fn merge_whenever_due(inner: Arc<Inner>) {
    let queue = &inner.upkeep.merges;
    let mut setbacks = Setbacks::default();
    while !queue.is_stopping() {
        setbacks.forget_what_is_over(|shard| queue.offer(shard));
        let work = if setbacks.until.is_some() { None } else { inner.next_merge(&mut setbacks) };
        let Some(work) = work else {
            tokio::select! {
                () = queue.changed() => {}
                () = wait_until(setbacks.next_end()) => {}
            }
            continue;
        };
        let (shard, names) = (work.shard, work.job.input_names());
        queue.set_current(Some(shard));
        let merged = inner.merge(work).await;
        queue.set_current(None);
        queue.offer(shard);
        match merged {
            Ok(()) => setbacks.refusals = 0,
            Err(error) => inner.set_back(shard, names, &error, &mut setbacks),
        }
    }
}

/// Waits for ever when there is nothing to wait for.
async fn wait_until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

impl Inner {
    /// What to merge next: of shards that take writes first, for their segments grow in number.
    fn next_merge(&self, setbacks: &mut Setbacks) -> Option<Work> {
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for shard in self.upkeep.merges.shards() {
            match self.local(shard) {
                Some(Local::Running(replica)) => open.push((shard, Arc::clone(&replica.home))),
                Some(Local::Closed(home)) if self.builds_final_files(shard) => {
                    closed.push((shard, home));
                }
                Some(Local::Closed(_) | Local::Refused(_)) | None => {
                    self.upkeep.merges.take(shard);
                }
            }
        }
        let open = open.into_iter().map(|(shard, home)| (shard, home, false));
        let closed = closed.into_iter().map(|(shard, home)| (shard, home, true));
        for (shard, home, closed) in open.chain(closed) {
            self.upkeep.merges.take(shard);
            loop {
                match home.shard().merge_job(closed, &setbacks.names(shard)) {
                    Ok(Some(job)) => {
                        return Some(Work { shard, home: Arc::clone(&home), closed, job });
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let names = match &error {
                            MergeError::TooManyColumns { inputs, .. } => inputs[..1].to_vec(),
                            _ => Vec::new(),
                        };
                        self.set_back(shard, names, &error, setbacks);
                    }
                }
            }
        }
        None
    }

    async fn merge(&self, work: Work) -> Result<(), MergeError> {
        let Work { shard, home, closed, mut job } = work;
        let bytes_in = job.input_bytes();
        self.require_room(bytes_in).await?;
        while !job.is_done() {
            let began = Instant::now();
            let step = self.env.blocking.run_in_background(move || {
                let written = job.step()?;
                Ok::<_, MergeError>((job, written))
            });
            let written;
            (job, written) = step.await?;
            self.make_way(&home, closed, began.elapsed(), written).await;
            if self.upkeep.merges.is_stopping() {
                // It removes what it wrote.
                self.env.blocking.run(move || drop(job)).await;
                return Ok(());
            }
        }
        let merged = self.env.blocking.run_in_background(move || job.finish()).await?;
        let bytes_out = merged.output_bytes();
        home.swap(merged).await?;
        self.upkeep.merges.count_done(shard, bytes_in, bytes_out);
        let waiting = home.shard().merges_waiting(closed);
        info!(shard = shard.get(), bytes_in, bytes_out, closed, waiting, "segments merged");
        Ok(())
    }

    /// Pauses after a piece of work: for others to work, and not to write faster than is allowed.
    async fn make_way(&self, home: &ShardHome, closed: bool, worked: Duration, written: u64) {
        let per_s = self.settings.merge_bytes_per_s.max(1);
        let least = Duration::from_micros(written.saturating_mul(1_000_000) / per_s);
        let mut pause = least.saturating_sub(worked);
        if self.upkeep.activity.is_busy() {
            let piled_up = !closed && home.shard().merges_waiting(false) > PILED_UP_SEGMENTS;
            pause = pause.max(worked * if piled_up { PILED_UP_PAUSES } else { BUSY_PAUSES });
        }
        if !pause.is_zero() {
            sleep(pause.min(PAUSE_MAX.max(least))).await;
        }
    }

    /// A merge takes as much room again as its inputs have, until they are removed.
    async fn require_room(&self, bytes_in: u64) -> Result<(), MergeError> {
        let (disk, dir) = (Arc::clone(&self.env.disk), self.dir.clone());
        let free = self.env.blocking.run(move || disk.free_bytes(&dir)).await;
        let keep = self.settings.free_bytes_min;
        match free {
            Ok(free) if free < keep.saturating_add(bytes_in) => {
                let why =
                    format!("{free} bytes are free, {keep} are kept and {bytes_in} are needed");
                let source = std::io::Error::new(std::io::ErrorKind::StorageFull, why);
                let (action, path) = ("merging in", self.dir.clone());
                Err(WriteError::Disk { action, path, source }.into())
            }
            // What is not known will show.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Takes note of a merge that failed. It is logged once, however often it is tried.
    fn set_back(
        &self,
        shard: ShardId,
        names: Vec<String>,
        error: &MergeError,
        setbacks: &mut Setbacks,
    ) {
        if matches!(error, MergeError::Superseded) {
            return;
        }
        if self.upkeep.merges.count_failed(shard, &error.to_string()) {
            warn!(shard = shard.get(), "{error}");
        }
        if matches!(error, MergeError::Write(WriteError::Disk { .. })) {
            setbacks.refusals += 1;
            let factor = 1u32.checked_shl(setbacks.refusals - 1).unwrap_or(u32::MAX);
            let wait = DISK_RETRY.saturating_mul(factor).min(DISK_RETRY_MAX);
            setbacks.until = Some(Instant::now() + wait);
        } else {
            let until = Instant::now() + SET_ASIDE;
            let aside = setbacks.set_aside.entry(shard).or_default();
            aside.extend(names.into_iter().map(|name| (name, until)));
        }
    }
}

impl Setbacks {
    fn names(&self, shard: ShardId) -> BTreeSet<String> {
        let names = self.set_aside.get(&shard).into_iter().flat_map(BTreeMap::keys);
        names.cloned().collect()
    }

    /// Shards whose segments are to be tried again are offered.
    fn forget_what_is_over(&mut self, offer: impl Fn(ShardId)) {
        let now = Instant::now();
        self.until = self.until.filter(|until| *until > now);
        for (shard, names) in &mut self.set_aside {
            let before = names.len();
            names.retain(|_, until| *until > now);
            if names.len() < before {
                offer(*shard);
            }
        }
        self.set_aside.retain(|_, names| !names.is_empty());
    }

    /// When the first wait is over.
    fn next_end(&self) -> Option<Instant> {
        let aside = self.set_aside.values().flat_map(BTreeMap::values).copied();
        aside.chain(self.until).min()
    }
}
