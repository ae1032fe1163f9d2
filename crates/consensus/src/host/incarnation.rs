//! Which of its starts a node's process is: a small file ([`text_file`]), replaced at each start.
//!
//! ```text
//! varve incarnation 1
//! node 2
//! incarnation 1764572400123456789
//! crc32c 6e9f32a4
//! ```
//!
//! What it is for, [`Starts`] says.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use varve_env::Env;
use varve_types::NodeId;

use super::{identity, text_file};
use crate::catalog::{Incarnation, Starts};
use crate::errors::StartError;

const VERSION: u32 = 1;

/// By how much the number grows at most when the clock is behind the one before, in nanoseconds.
const STEP_MAX: u64 = 1_000_000_000;

/// Draws the number of this start: its time, unless the disk has seen a later one. On a full disk a
/// node starts without one, because it can still be read.
pub(super) async fn begin(env: &Env, dir: &Path, node: NodeId) -> Result<Starts, StartError> {
    let path = dir.join("incarnation");
    let before = match identity::read_file(env, path.clone()).await?.map(|bytes| parse(&bytes)) {
        None => None,
        Some(Ok((of, before))) if of == node => Some(before),
        Some(read) => {
            // Nothing rests on it but that a copy of this disk is found out.
            let why = read.err().unwrap_or_else(|| "it is that of another node".to_owned());
            tracing::warn!(path = %path.display(), "it is not known when this node started last: {why}");
            None
        }
    };
    let now = u64::try_from(env.clock.now().get()).unwrap_or(0);
    let this = match before {
        Some(Incarnation(before)) if now <= before => {
            before.saturating_add(1 + env.random.next_u64() % STEP_MAX)
        }
        _ => now.max(1),
    };
    let this = Incarnation(this);
    match write(env, path, node, this).await {
        Ok(()) => Ok(Starts { this, before }),
        // What the disk does not remember must not be said: the next start could not go on from it.
        Err(StartError::Disk { source, path, .. }) if source.kind() == ErrorKind::StorageFull => {
            let path = path.display();
            tracing::warn!(%path, "the disk is full: a copy of it is not found out until it has room and the node starts again");
            Ok(Starts { this: Incarnation::default(), before })
        }
        Err(error) => Err(error),
    }
}

async fn write(
    env: &Env,
    path: PathBuf,
    node: NodeId,
    incarnation: Incarnation,
) -> Result<(), StartError> {
    let fields: [(&str, &dyn std::fmt::Display); 2] =
        [("node", &node), ("incarnation", &incarnation.0)];
    let text = text_file::print("incarnation", VERSION, &fields);
    identity::write_file(env, path, text).await
}

fn parse(bytes: &[u8]) -> Result<(NodeId, Incarnation), String> {
    let mut lines = text_file::read(bytes, "incarnation", VERSION)?;
    Ok((NodeId(lines.number("node")?), Incarnation(lines.number("incarnation")?)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use varve_env::Clock;
    use varve_env::sim::SimDisk;
    use varve_types::TimestampNs;

    use super::*;

    const NODE: NodeId = NodeId(2);

    #[tokio::test]
    async fn no_two_starts_have_a_number_whatever_the_clock_says() {
        let dir = Path::new("/data");
        let time = Arc::new(AtomicI64::new(1_000));
        let clock = Arc::clone(&time);
        let clock = Clock::from_fn(move || TimestampNs(clock.load(Ordering::Relaxed)));
        let disk = SimDisk::new();
        let env = Env { clock, disk: disk.mount(), ..Env::real() };
        let mut last = None;
        for now in [1_000, 1_000, 5, 2_000_000_000_000, -7] {
            time.store(now, Ordering::Relaxed);
            let starts = begin(&env, dir, NODE).await.unwrap();
            assert_eq!(starts.before, last);
            assert!(Some(starts.this) > last, "{starts:?}");
            last = Some(starts.this);
        }
        // What a full disk would not remember is not said.
        disk.set_capacity(Some(0));
        let starts = begin(&env, dir, NODE).await.unwrap();
        assert_eq!((starts.this, starts.before), (Incarnation::default(), last));
        disk.set_capacity(None);
        assert_eq!(begin(&env, dir, NODE).await.unwrap().before, last);
        // What is damaged, or of another node, says nothing.
        let damaged = "varve incarnation 1\nnode 2\n";
        identity::write_file(&env, dir.join("incarnation"), damaged).await.unwrap();
        assert_eq!(begin(&env, dir, NODE).await.unwrap().before, None);
        assert_eq!(begin(&env, dir, NodeId(3)).await.unwrap().before, None);
    }
}
