//! Which node this disk is: a plain file, written once.
//!
//! ```text
//! varve node 1
//! cluster 000102030405060708090a0b0c0d0e0f
//! node 1
//! replica 1
//! ```
//!
//! The first line has the format's version; `replica` is the one of the metadata group.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use varve_env::Env;
use varve_types::{NodeId, ReplicaId};

use crate::catalog::ClusterId;
use crate::errors::StartError;
use crate::machine::framed;

const HEAD: &str = "varve node 1";

/// Which node a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) replica: ReplicaId,
}

/// Where the file is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("node")
}

/// Reads it, or `None` when there is none.
pub(crate) async fn read(env: &Env, dir: &Path) -> Result<Option<Identity>, StartError> {
    let (disk, path) = (Arc::clone(&env.disk), path(dir));
    let shown = path.clone();
    let read = env.blocking.run(move || framed::read(&*disk, &path)).await;
    let bytes =
        read.map_err(|source| StartError::Disk { action: "reading", path: shown.clone(), source })?;
    bytes
        .map(|bytes| parse(&bytes).map_err(|what| StartError::Identity { path: shown, what }))
        .transpose()
}

/// Writes it, durably.
pub(crate) async fn write(env: &Env, dir: &Path, identity: Identity) -> Result<(), StartError> {
    let (disk, path, text) = (Arc::clone(&env.disk), path(dir), print(identity));
    let (folder, shown) = (dir.to_owned(), path.clone());
    let write = move || {
        disk.create_dir_all(&folder)?;
        framed::replace(&*disk, &path, text.as_bytes())
    };
    let written = env.blocking.run(write).await;
    written.map_err(|source| StartError::Disk { action: "writing", path: shown, source })
}

fn print(identity: Identity) -> String {
    let Identity { cluster, node, replica } = identity;
    format!("{HEAD}\ncluster {cluster}\nnode {node}\nreplica {replica}\n")
}

fn parse(bytes: &Bytes) -> Result<Identity, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let mut lines = text.lines();
    match lines.next() {
        Some(HEAD) => {}
        other => return Err(format!("it begins with {other:?} instead of {HEAD:?}")),
    }
    let mut field = |name: &str| {
        let line = lines.next().ok_or_else(|| format!("it has no line for its {name}"))?;
        line.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '))
            .map(str::to_owned)
            .ok_or_else(|| format!("{line:?} is not its {name}"))
    };
    let number = |text: String| text.parse().map_err(|_| format!("{text:?} is no number"));
    let cluster = field("cluster")?;
    let cluster = u128::from_str_radix(&cluster, 16)
        .map_err(|_| format!("{cluster:?} is no cluster's identity"))?;
    let node = number(field("node")?)?;
    let replica = number(field("replica")?)?;
    Ok(Identity { cluster: ClusterId(cluster), node: NodeId(node), replica: ReplicaId(replica) })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_anything_else_is_refused() {
        let identity =
            Identity { cluster: ClusterId(0xabc), node: NodeId(2), replica: ReplicaId(9) };
        let text = print(identity);
        expect![[r#"
            varve node 1
            cluster 00000000000000000000000000000abc
            node 2
            replica 9
        "#]]
        .assert_eq(&text);
        assert_eq!(parse(&Bytes::from(text.clone())), Ok(identity));
        for broken in [
            text.replace("node 1", "node 2"),
            text.replace("replica 9", "replica"),
            text.replace("node 2", "node x"),
            text[..30].to_owned(),
            String::new(),
        ] {
            assert!(parse(&Bytes::from(broken.clone())).is_err(), "{broken}");
        }
    }
}
