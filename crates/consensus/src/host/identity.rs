//! Which node this disk is: a small file ([`text_file`]), written once.
//!
//! ```text
//! varve node 3
//! cluster 000102030405060708090a0b0c0d0e0f
//! node 1
//! disk 0f0e0d0c0b0a09080706050403020100
//! crc32c 6e9f32a4
//! ```
//!
//! Version 2 had no checksum; version 1 had, instead of the disk's number, the replica of the
//! metadata group. A disk that is not a node yet keeps the number it drew in a file of its own, so
//! that asking again to join is not another node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use varve_env::Env;
use varve_types::{NodeId, ReplicaId};

use super::text_file;
use crate::catalog::{ClusterId, DiskId};
use crate::errors::StartError;
use crate::machine::framed;

/// The newest version of the file that says which node a disk is.
const NODE_VERSION: u32 = 3;

/// The newest version of the file with the number of a disk that is no node yet.
const DISK_VERSION: u32 = 2;

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
    if let Some(bytes) = read_file(env, path.clone()).await? {
        return parse_disk(&bytes).map_err(|what| StartError::Identity { path, what });
    }
    let drawn = draw(env);
    write_file(env, path, print_disk(drawn)).await?;
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
    let disk = format!("{:032x}", disk.0);
    text_file::print(
        "node",
        NODE_VERSION,
        &[("cluster", &cluster), ("node", &node), ("disk", &disk)],
    )
}

fn parse(bytes: &[u8]) -> Result<Identity, String> {
    let mut lines = text_file::read(bytes, "node", NODE_VERSION)?;
    let cluster = ClusterId(lines.hex("cluster")?);
    let node = NodeId(lines.number("node")?);
    let (disk, first_replica) = match lines.version {
        1 => (DiskId::default(), Some(ReplicaId(lines.number("replica")?))),
        _ => (DiskId(lines.hex("disk")?), None),
    };
    Ok(Identity { cluster, node, disk, first_replica })
}

fn print_disk(disk: DiskId) -> String {
    text_file::print("disk", DISK_VERSION, &[("disk", &format_args!("{:032x}", disk.0))])
}

fn parse_disk(bytes: &[u8]) -> Result<DiskId, String> {
    let mut lines = text_file::read(bytes, "disk", DISK_VERSION)?;
    let disk = match lines.version {
        1 => text_file::as_hex(lines.bare("number")?)?,
        _ => lines.hex("disk")?,
    };
    Ok(DiskId(disk))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_so_do_older_versions() {
        let (cluster, disk) = (ClusterId(0xabc), DiskId(0x123));
        let identity = Identity { cluster, node: NodeId(2), disk, first_replica: None };
        let text = print(identity);
        expect![[r#"
            varve node 3
            cluster 00000000000000000000000000000abc
            node 2
            disk 00000000000000000000000000000123
            crc32c 341603d8
        "#]]
        .assert_eq(&text);
        assert_eq!(parse(text.as_bytes()), Ok(identity));

        let (said, _) = text.split_once("crc32c").unwrap();
        let second = said.replace("varve node 3", "varve node 2");
        assert_eq!(parse(second.as_bytes()), Ok(identity));
        let first = second.replace("varve node 2", "varve node 1");
        let first = first.replace("disk 00000000000000000000000000000123", "replica 1");
        let read = parse(first.as_bytes()).unwrap();
        assert_eq!((read.node, read.first_replica), (NodeId(2), Some(ReplicaId(1))));
        for broken in [
            text.replace("varve node 3", "varve node 4"),
            text.replace("\nnode 2", "\nnode 3"),
            second.replace("disk 0", "disk g"),
            second.replace("\nnode 2", "\nnode x"),
            second[..30].to_owned(),
            String::new(),
        ] {
            assert!(parse(broken.as_bytes()).is_err(), "{broken}");
        }

        assert_eq!(parse_disk(print_disk(disk).as_bytes()), Ok(disk));
        assert_eq!(parse_disk(b"varve disk 1\n00000000000000000000000000000123\n"), Ok(disk));
    }
}
