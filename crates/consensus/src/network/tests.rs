//! Messages about files read back, and any bytes against their readers.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::machine::FileCard;

fn card() -> impl Strategy<Value = FileCard> {
    ("[a-z0-9][a-z0-9._-]{0,40}", any::<u64>(), any::<u32>())
        .prop_map(|(name, bytes, checksum)| FileCard { name, bytes, checksum })
}

proptest! {
    #[test]
    fn offers_and_their_answers_read_back(
        files in vec(card(), 0..5),
        bytes in vec(any::<u64>(), 0..5),
    ) {
        let offer = SnapshotOffer { files };
        prop_assert_eq!(SnapshotOffer::decode(offer.encode()), Ok(offer));
        let held = SnapshotHeld { bytes };
        prop_assert_eq!(SnapshotHeld::decode(held.encode()), Ok(held));
    }

    #[test]
    fn pieces_read_back_when_they_lie_in_their_file(
        file in card(),
        offset in any::<u64>(),
        bytes in vec(any::<u8>(), 0..50),
    ) {
        let fits = offset.checked_add(bytes.len() as u64).is_some_and(|end| end <= file.bytes);
        let piece = SnapshotPiece { file, offset, bytes: bytes.into() };
        let decoded = SnapshotPiece::decode(piece.encode());
        if fits {
            prop_assert_eq!(decoded, Ok(piece));
        } else {
            prop_assert!(decoded.is_err());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = SnapshotOffer::decode(bytes.clone());
        let _ = SnapshotHeld::decode(bytes.clone());
        let _ = SnapshotPiece::decode(bytes.clone());
        let _ = SnapshotInstall::decode(bytes);
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "a/b", "/etc/passwd", "a\\b", ".hidden", &"a".repeat(201)] {
        let file = FileCard { name: name.to_owned(), bytes: 1, checksum: 1 };
        assert!(SnapshotOffer::decode(SnapshotOffer { files: vec![file] }.encode()).is_err());
    }
}
