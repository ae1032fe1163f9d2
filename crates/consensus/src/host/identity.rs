//! Which node this disk is: a plain file, written once.
//!
//! ```text
//! varve node 2
//! cluster 000102030405060708090a0b0c0d0e0f
//! node 1
//! disk 0f0e0d0c0b0a09080706050403020100
//! ```
//!
//! The first line has the format's version; version 1 had, instead of the disk's number, the
//! replica of the metadata group. A disk that is not a node yet keeps the number it drew in a file
//! of its own, so that asking again to join is not another node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use varve_env::Env;
use varve_types::{NodeId, ReplicaId};

use crate::catalog::{ClusterId, DiskId};
use crate::errors::StartError;
use crate::machine::framed;

const HEAD: &str = "varve node 2";
const FIRST_HEAD: &str = "varve node 1";
const DISK_HEAD: &str = "varve disk 1";

/// Which node a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) disk: DiskId,
    /// Its replica of the metadata group, where the first version said so.
    pub(crate) first_replica: Option<ReplicaId>,
}

/// Where the file is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("node")
}

/// Reads it, or `None` when there is none.
pub(crate) async fn read(env: &Env, dir: &Path) -> Result<Option<Identity>, StartError> {
    let shown = path(dir);
    let bytes = read_file(env, shown.clone()).await?;
    bytes
        .map(|bytes| parse(&bytes).map_err(|what| StartError::Identity { path: shown, what }))
        .transpose()
}

/// Whether a data folder belongs to a node already.
///
/// # Errors
///
/// [`StartError`] when the file cannot be read, or is none of ours.
pub async fn has_identity(env: &Env, dir: &Path) -> Result<bool, StartError> {
    Ok(read(env, dir).await?.is_some())
}

/// The number of a disk that is not a node yet: drawn once, and then kept.
///
/// # Errors
///
/// [`StartError`] when the file cannot be read or written, or is none of ours.
pub async fn draw_disk(env: &Env, dir: &Path) -> Result<DiskId, StartError> {
    let path = dir.join("disk");
    if let Some(text) = read_file(env, path.clone()).await? {
        let number = std::str::from_utf8(&text).ok().and_then(|text| {
            let rest = text.strip_prefix(DISK_HEAD)?.strip_prefix('\n')?;
            u128::from_str_radix(rest.trim_end(), 16).ok()
        });
        let what = "it has no disk's number".to_owned();
        return number.map(DiskId).ok_or(StartError::Identity { path, what });
    }
    let drawn = draw(env);
    let text = format!("{DISK_HEAD}\n{:032x}\n", drawn.0);
    write_file(env, path, text).await?;
    Ok(drawn)
}

/// A number that nobody else has drawn.
pub(crate) fn draw(env: &Env) -> DiskId {
    let (high, low) = (env.random.next_u64(), env.random.next_u64());
    DiskId(u128::from(high) << 64 | u128::from(low))
}

/// Writes it, durably.
pub(crate) async fn write(env: &Env, dir: &Path, identity: Identity) -> Result<(), StartError> {
    write_file(env, path(dir), print(identity)).await
}

/// Reads a small file of the data folder.
pub(super) async fn read_file(env: &Env, path: PathBuf) -> Result<Option<Bytes>, StartError> {
    let (disk, shown) = (Arc::clone(&env.disk), path.clone());
    let read = env.blocking.run(move || framed::read(&*disk, &path)).await;
    read.map_err(|source| StartError::Disk { action: "reading", path: shown, source })
}

/// Replaces a small file of the data folder, durably.
pub(super) async fn write_file(
    env: &Env,
    path: PathBuf,
    bytes: impl AsRef<[u8]> + Send + 'static,
) -> Result<(), StartError> {
    let disk = Arc::clone(&env.disk);
    let shown = path.clone();
    let write = move || {
        disk.create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        framed::replace(&*disk, &path, bytes.as_ref())
    };
    let written = env.blocking.run(write).await;
    written.map_err(|source| StartError::Disk { action: "writing", path: shown, source })
}

fn print(identity: Identity) -> String {
    let Identity { cluster, node, disk, .. } = identity;
    format!("{HEAD}\ncluster {cluster}\nnode {node}\ndisk {:032x}\n", disk.0)
}

fn parse(bytes: &Bytes) -> Result<Identity, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let mut lines = text.lines();
    let is_first = match lines.next() {
        Some(HEAD) => false,
        Some(FIRST_HEAD) => true,
        other => return Err(format!("it begins with {other:?} instead of {HEAD:?}")),
    };
    let mut field = |name: &str| {
        let line = lines.next().ok_or_else(|| format!("it has no line for its {name}"))?;
        line.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '))
            .map(str::to_owned)
            .ok_or_else(|| format!("{line:?} is not its {name}"))
    };
    let number = |text: String| text.parse().map_err(|_| format!("{text:?} is no number"));
    let hex = |text: String| {
        u128::from_str_radix(&text, 16).map_err(|_| format!("{text:?} is no number"))
    };
    let cluster = ClusterId(hex(field("cluster")?)?);
    let node = NodeId(number(field("node")?)?);
    if is_first {
        let first_replica = Some(ReplicaId(number(field("replica")?)?));
        return Ok(Identity { cluster, node, disk: DiskId::default(), first_replica });
    }
    let disk = DiskId(hex(field("disk")?)?);
    Ok(Identity { cluster, node, disk, first_replica: None })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_anything_else_is_refused() {
        let (cluster, disk) = (ClusterId(0xabc), DiskId(0x123));
        let identity = Identity { cluster, node: NodeId(2), disk, first_replica: None };
        let text = print(identity);
        expect![[r#"
            varve node 2
            cluster 00000000000000000000000000000abc
            node 2
            disk 00000000000000000000000000000123
        "#]]
        .assert_eq(&text);
        assert_eq!(parse(&Bytes::from(text.clone())), Ok(identity));
        let first = text.replace("varve node 2", "varve node 1");
        let first = first.replace("disk 00000000000000000000000000000123", "replica 1");
        let read = parse(&Bytes::from(first)).unwrap();
        assert_eq!((read.node, read.first_replica), (NodeId(2), Some(ReplicaId(1))));
        for broken in [
            text.replace("varve node 2", "varve node 3"),
            text.replace("disk 0", "disk g"),
            text.replace("\nnode 2", "\nnode x"),
            text[..30].to_owned(),
            String::new(),
        ] {
            assert!(parse(&Bytes::from(broken.clone())).is_err(), "{broken}");
        }
    }
}
