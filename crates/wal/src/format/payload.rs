//! The payloads that the log itself gives a meaning to. Votes, entries, committed positions and
//! log ids are opaque.
//!
//! ```text
//! mark        (group u64, counter u64)*      the groups of the round before, ascending, each with
//!                                            the counter of its last record there
//! checkpoint  u8   bit 0: quarantined
//!             opt  vote           opt: u32 length then bytes; length u32::MAX: absent
//!             opt  committed
//!             opt  log id of the last purged entry
//!             u64  index of that entry, 0 when absent
//!             u64  first index of the entries in the log
//!             u64  how many there are
//! ```

use bytes::Bytes;
use varve_types::{GroupId, LogIndex};

use super::{Counter, u32_at, u64_at};

const ABSENT: u32 = u32::MAX;

/// Encodes a mark's list.
pub(crate) fn encode_mark(touched: impl IntoIterator<Item = (GroupId, Counter)>) -> Bytes {
    let mut out = Vec::new();
    for (group, counter) in touched {
        out.extend_from_slice(&group.get().to_le_bytes());
        out.extend_from_slice(&counter.0.to_le_bytes());
    }
    out.into()
}

/// Reads a mark's list; a length that is no multiple of a pair leaves the odd bytes out, which a
/// payload with a right checksum never has.
pub(crate) fn decode_mark(payload: &[u8]) -> impl Iterator<Item = (GroupId, Counter)> + '_ {
    payload
        .chunks_exact(16)
        .map(|pair| (GroupId::from_number(u64_at(pair, 0)), Counter(u64_at(pair, 8))))
}

/// A group's state except its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) quarantined: bool,
    pub(crate) vote: Option<Bytes>,
    pub(crate) committed: Option<Bytes>,
    pub(crate) purged: Option<(LogIndex, Bytes)>,
    /// First and last entry in the log.
    pub(crate) live: Option<(LogIndex, LogIndex)>,
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = vec![u8::from(self.quarantined)];
        let log_id = self.purged.as_ref().map(|(_, log_id)| log_id);
        for field in [self.vote.as_ref(), self.committed.as_ref(), log_id] {
            match field {
                None => out.extend_from_slice(&ABSENT.to_le_bytes()),
                Some(bytes) => {
                    let length = u32::try_from(bytes.len())
                        .expect("BUG: a payload is shorter than a file, thus than u32::MAX");
                    out.extend_from_slice(&length.to_le_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
        let purged = self.purged.as_ref().map_or(0, |(index, _)| index.get());
        let (first, count) =
            self.live.map_or((0, 0), |(first, last)| (first.get(), last.get() - first.get() + 1));
        for number in [purged, first, count] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.into()
    }

    /// `None` when the bytes are no checkpoint.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let (&flags, mut rest) = payload.split_first()?;
        let vote = take_optional(&mut rest)?;
        let committed = take_optional(&mut rest)?;
        let log_id = take_optional(&mut rest)?;
        if flags > 1 || rest.len() != 24 {
            return None;
        }
        let (purged, first, count) = (u64_at(rest, 0), u64_at(rest, 8), u64_at(rest, 16));
        let live = match count.checked_sub(1) {
            None => None,
            Some(more) => Some((LogIndex(first), LogIndex(first.checked_add(more)?))),
        };
        let purged = log_id.map(|log_id| (LogIndex(purged), log_id));
        Some(Self { quarantined: flags == 1, vote, committed, purged, live })
    }
}

#[expect(clippy::option_option, reason = "the outer one: is there a field; the inner: is it set")]
fn take_optional(rest: &mut &[u8]) -> Option<Option<Bytes>> {
    let (length, after) = rest.split_at_checked(4)?;
    let length = u32_at(length, 0);
    if length == ABSENT {
        *rest = after;
        return Some(None);
    }
    let (bytes, after) = after.split_at_checked(length as usize)?;
    *rest = after;
    Some(Some(Bytes::copy_from_slice(bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
    }

    proptest! {
        #[test]
        fn a_checkpoint_comes_back(
            quarantined in any::<bool>(),
            vote in proptest::option::of(bytes()), committed in proptest::option::of(bytes()),
            purged in proptest::option::of((any::<u64>().prop_map(LogIndex), bytes())),
            live in proptest::option::of((0..1u64 << 60, 0..1u64 << 60)),
        ) {
            let live = live.map(|(first, more)| (LogIndex(first), LogIndex(first + more)));
            let checkpoint = Checkpoint { quarantined, vote, committed, purged, live };
            let encoded = checkpoint.encode();
            prop_assert_eq!(Checkpoint::decode(&encoded), Some(checkpoint));
            for cut in 0..encoded.len() {
                prop_assert_eq!(Checkpoint::decode(&encoded[..cut]), None);
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Checkpoint::decode(&bytes);
            decode_mark(&bytes).for_each(drop);
        }
    }
}
