//! Round trips of everything, and any bytes against every reader.

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use varve_types::{LogIndex, NodeId, TimestampNs};

use super::*;
use crate::network::PeerMessage;
use crate::raft_types::{
    Entry, LogId, Membership, Payload, Place, StoredMembership, Types, Vote, log_id,
};
use crate::rollover::{ControlReply, ControlRequest};

fn id() -> impl Strategy<Value = LogId> {
    (any::<u64>(), any::<u64>()).prop_map(|(term, index)| log_id(term, index))
}

fn vote() -> impl Strategy<Value = Vote> {
    (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(term, node, committed)| {
        if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) }
    })
}

fn membership() -> impl Strategy<Value = Membership> {
    btree_map(any::<u64>(), any::<u64>(), 1..5).prop_map(|nodes| {
        let voters = nodes.keys().take(3).copied().collect();
        let nodes = nodes.into_iter().map(|(id, node)| (id, Place(NodeId(node))));
        Membership::new(vec![voters], nodes.collect::<std::collections::BTreeMap<_, _>>()).unwrap()
    })
}

fn entries(first: u64) -> impl Strategy<Value = Vec<Entry>> {
    let payload = prop_oneof![
        Just(EntryPayload::Blank),
        (any::<i64>(), vec(any::<u8>(), 0..40)).prop_map(|(stamp, command)| {
            let stamp = TimestampNs(stamp);
            EntryPayload::Normal(Payload { stamp, command: command.into() })
        }),
        membership().prop_map(EntryPayload::Membership),
    ];
    vec((any::<u64>(), payload), 0..4).prop_map(move |entries| {
        let numbered = entries.into_iter().zip(first..);
        numbered
            .map(|((term, payload), index)| Entry { log_id: log_id(term, index), payload })
            .collect()
    })
}

proptest! {
    #[test]
    fn appends_read_back(
        vote in vote(),
        prev in proptest::option::of((any::<u64>(), 0..u64::MAX / 2)),
        commit in proptest::option::of(id()),
        entries in entries(0),
    ) {
        let first = prev.map_or(0, |(_, index)| index + 1);
        let renumbered = entries.into_iter().enumerate().map(|(at, mut entry)| {
            entry.log_id = log_id(**entry.log_id.committed_leader_id(), first + at as u64);
            entry
        });
        let request = AppendEntriesRequest::<Types> {
            vote,
            prev_log_id: prev.map(|(term, index)| log_id(term, index)),
            entries: renumbered.collect(),
            leader_commit: commit,
        };
        let read = decode_append(encode_append(&request)).unwrap();
        prop_assert_eq!(read.vote, request.vote);
        prop_assert_eq!(read.prev_log_id, request.prev_log_id);
        prop_assert_eq!(read.leader_commit, request.leader_commit);
        prop_assert_eq!(read.entries, request.entries);
    }

    #[test]
    fn votes_and_positions_read_back(
        vote in vote(),
        last in proptest::option::of(id()),
        at in proptest::option::of(id()),
        membership in membership(),
        transfer: bool,
        granted: bool,
    ) {
        prop_assert_eq!(decode_vote(encode_vote(&vote)), Ok(vote));
        let position = Position { last, membership: StoredMembership::new(at, membership) };
        prop_assert_eq!(Position::decode(position.encode()), Ok(position));
        let request = VoteRequest::<Types> { vote, last_log_id: last, leadership_transfer: transfer };
        prop_assert_eq!(decode_vote_request(encode_vote_request(&request)), Ok(request));
        let reply = VoteResponse::<Types> { vote, vote_granted: granted, last_log_id: last };
        prop_assert_eq!(decode_vote_reply(encode_vote_reply(&reply)), Ok(reply));
        for reply in [
            AppendEntriesResponse::<Types>::Success,
            AppendEntriesResponse::PartialSuccess(last),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(vote),
        ] {
            prop_assert_eq!(decode_append_reply(encode_append_reply(&reply)), Ok(reply));
        }
    }

    #[test]
    fn no_bytes_panic(mut bytes in vec(any::<u8>(), 1..120), right_version: bool) {
        if right_version {
            bytes[0] = 1;
        }
        let bytes = Bytes::from(bytes);
        let _ = decode_entry(LogIndex(1), bytes.clone());
        let _ = decode_append(bytes.clone());
        let _ = decode_append_reply(bytes.clone());
        let _ = decode_vote(bytes.clone());
        let _ = decode_vote_request(bytes.clone());
        let _ = decode_vote_reply(bytes.clone());
        let _ = decode_transfer(bytes.clone());
        let _ = decode_transfer_reply(bytes.clone());
        let _ = decode_log_id(bytes.clone());
        let _ = Position::decode(bytes.clone());
        let _ = PeerMessage::from_parts(bytes.clone(), Bytes::new());
        let _ = ControlRequest::decode(bytes.clone());
        let _ = ControlReply::decode(bytes);
    }
}
