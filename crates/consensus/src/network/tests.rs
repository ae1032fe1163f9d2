//! Messages about files read back, and any bytes against their readers.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use varve_shard::FileHash;
use varve_types::{ContentDigest, LogIndex};

use super::*;
use crate::catalog::FilesDigest;
use crate::machine::{Applied, FileCard};

fn card() -> impl Strategy<Value = FileCard> {
    ("[a-z0-9][a-z0-9._-]{0,40}", any::<u64>(), any::<u128>())
        .prop_map(|(name, bytes, hash)| FileCard { name, bytes, hash: FileHash(hash) })
}

fn reply() -> impl Strategy<Value = FilesReply> {
    let refusal = prop_oneof![
        ".{0,20}".prop_map(FilesRefusal::NotHere),
        Just(FilesRefusal::Gone),
        ".{0,20}".prop_map(FilesRefusal::Disk),
    ];
    let sums = (any::<u64>(), any::<u128>(), any::<u128>());
    let listing = (sums, vec(any::<u8>(), 0..50), vec(card(), 0..4)).prop_map(
        |((rows, digest, files), manifest, cards)| Listing {
            rows,
            digest: ContentDigest(digest),
            files: FilesDigest(files),
            manifest: manifest.into(),
            cards,
        },
    );
    let condition = (sums, option::of(".{0,20}")).prop_map(|((rows, digest, files), problem)| {
        CopyCondition { rows, digest: ContentDigest(digest), files: FilesDigest(files), problem }
    });
    let applied = (any::<u64>(), any::<u64>(), any::<u128>()).prop_map(|(index, rows, digest)| {
        Applied { index: LogIndex(index), rows, digest: ContentDigest(digest) }
    });
    prop_oneof![
        refusal.prop_map(FilesReply::Refused),
        listing.prop_map(FilesReply::Listing),
        vec(any::<u8>(), 0..50).prop_map(|bytes| FilesReply::Piece(bytes.into())),
        condition.prop_map(FilesReply::ReadAgain),
        vec(applied, 0..4).prop_map(FilesReply::Recent),
    ]
}

proptest! {
    #[test]
    fn questions_about_files_read_back(
        name in "[a-z0-9][a-z0-9._-]{0,40}",
        offset in any::<u64>(),
        bytes in 0..=FilesRequest::PIECE_BYTES_MAX,
    ) {
        let piece = FilesRequest::Piece { name, offset, bytes };
        for request in [FilesRequest::Listing, piece, FilesRequest::ReadAgain, FilesRequest::Recent] {
            prop_assert_eq!(FilesRequest::decode(request.encode()), Ok(request));
        }
    }

    #[test]
    fn answers_about_files_read_back(reply in reply()) {
        prop_assert_eq!(FilesReply::decode(reply.encode()), Ok(reply));
    }

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
        let _ = SnapshotInstall::decode(bytes.clone());
        let _ = FilesRequest::decode(bytes.clone());
        let _ = FilesReply::decode(bytes);
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "a/b", "/etc/passwd", "a\\b", ".hidden", &"a".repeat(201)] {
        let file = FileCard { name: name.to_owned(), bytes: 1, hash: FileHash(1) };
        assert!(SnapshotOffer::decode(SnapshotOffer { files: vec![file] }.encode()).is_err());
    }
}
