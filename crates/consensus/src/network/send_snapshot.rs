//! Sending a snapshot: only what the receiver lacks, no faster than files may be sent.

use std::time::Duration;

use openraft::errors::{NetworkError, RPCError, StreamingError};
use openraft::raft::SnapshotResponse;

use super::link::Link;
use super::{MessageKind, SnapshotHeld, SnapshotInstall, SnapshotOffer, SnapshotPiece};
use crate::codec::{Position, decode_vote};
use crate::machine::{SnapshotContent, SnapshotFile};
use crate::raft_types::{CommittedLeader, Place, Types, Vote};
use crate::upkeep::Pace;

type Snapshot = openraft::Snapshot<CommittedLeader, u64, Place, SnapshotContent>;
type Failure = StreamingError<Types>;

/// Sends all of it, and answers the receiver's vote. Each message may take `limit`.
pub(super) async fn send_snapshot(
    link: &Link,
    pace: &Pace,
    vote: Vote,
    snapshot: &Snapshot,
    limit: Duration,
) -> Result<SnapshotResponse<Types>, Failure> {
    let content = &snapshot.snapshot;
    let offer = SnapshotOffer { files: content.cards() }.encode();
    let held = link.call(MessageKind::SnapshotOffer, offer, limit, SnapshotHeld::decode).await;
    let held = held.map_err(streaming)?.bytes;
    for (at, file) in content.files().iter().enumerate() {
        send_file(link, pace, file, held.get(at).copied().unwrap_or(0), limit).await?;
    }
    let meta = &snapshot.meta;
    let position = Position { last: meta.last_log_id, membership: meta.last_membership.clone() };
    let install = SnapshotInstall { vote, position, files: content.cards() };
    let sent = link.call(MessageKind::SnapshotInstall, install.encode(), limit, decode_vote);
    sent.await.map(SnapshotResponse::new).map_err(streaming)
}

async fn send_file(
    link: &Link,
    pace: &Pace,
    file: &SnapshotFile,
    held: u64,
    limit: Duration,
) -> Result<(), Failure> {
    let mut offset = held;
    while offset < file.card().bytes {
        let left = usize::try_from(file.card().bytes - offset).unwrap_or(usize::MAX);
        let bytes = file
            .read(offset, left.min(SnapshotPiece::BYTES_MAX))
            .await
            .map_err(|error| Failure::Network(NetworkError::new(&error)))?;
        let sent = bytes.len() as u64;
        pace.take(sent).await;
        let piece = SnapshotPiece { file: file.card().clone(), offset, bytes };
        let brought = link.call(MessageKind::SnapshotPiece, piece.encode(), limit, |_| Ok(()));
        brought.await.map_err(streaming)?;
        offset += sent;
    }
    Ok(())
}

fn streaming(error: RPCError<Types>) -> Failure {
    match error {
        RPCError::Timeout(error) => StreamingError::Timeout(error),
        RPCError::Unreachable(error) => StreamingError::Unreachable(error),
        RPCError::Network(error) => StreamingError::Network(error),
        RPCError::RemoteError(error) => StreamingError::Network(NetworkError::new(&error)),
    }
}
