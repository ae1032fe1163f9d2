//! What opening a log found, for its owner to act on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use varve_types::GroupId;

use super::replay::Replay;
use crate::error::WalError;

/// What opening a log found.
#[derive(Clone, Debug, Default)]
pub struct RecoveryReport {
    /// Files of the log.
    pub files: usize,
    /// Records read.
    pub records: u64,
    /// Where a torn last write was cut off, when whole records of it had to go. Nothing of it
    /// was acknowledged.
    pub cut: Option<Cut>,
    /// Places where synced bytes cannot be read back. Some may hurt no group any longer.
    pub damages: Vec<DamagedPlace>,
    /// Groups of which nothing is served, each with the error that its calls answer. Replicate
    /// them anew after [`crate::WalGroup::remove`].
    pub quarantined: BTreeMap<GroupId, WalError>,
    /// Records are lost that may have belonged to groups of which nothing else is left: a group
    /// that is expected here and not listed must be taken for quarantined.
    pub groups_may_be_missing: bool,
    /// The disk is full: appends are refused.
    pub full: bool,
}

/// Where a torn last write began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub file: PathBuf,
    /// Bytes from its start.
    pub offset: u64,
}

/// A place where synced bytes cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedPlace {
    /// The file.
    pub file: PathBuf,
    /// Bytes from its start.
    pub offset: u64,
    /// What is wrong.
    pub what: &'static str,
    /// Groups that are quarantined because of it.
    pub groups: Vec<GroupId>,
}

/// Draws up the report, and marks the quarantined groups.
pub(super) fn report(
    replay: &mut Replay,
    dir: &Path,
    files: usize,
    cut: Option<Cut>,
) -> RecoveryReport {
    let blamed = replay.quarantined();
    let mut damages: Vec<DamagedPlace> = replay
        .damages
        .iter()
        .map(|damage| DamagedPlace {
            file: damage.file.clone(),
            offset: damage.offset,
            what: damage.what,
            groups: Vec::new(),
        })
        .collect();
    for (group, damage) in &blamed {
        if let Some(place) = damage.and_then(|damage| damages.get_mut(damage)) {
            place.groups.push(*group);
        }
    }
    let mut quarantined = BTreeMap::new();
    for (group, damage) in blamed {
        let error = match damage.and_then(|damage| damages.get(damage)).cloned() {
            Some(DamagedPlace { file, offset, what, groups }) => {
                WalError::Corrupt { file, offset, what, groups }
            }
            None => WalError::Corrupt {
                file: dir.to_owned(),
                offset: 0,
                what: "a file with records of this group is gone, or was damaged earlier",
                groups: vec![group],
            },
        };
        if let (Some(replayed), Some(log)) =
            (replay.groups.get_mut(&group), replay.logs.get_mut(&group))
        {
            replayed.written.quarantined = true;
            // A mark that lists it would later pass for a proof.
            replay.touched.remove(&group);
            log.quarantine = Some(error.clone());
        }
        quarantined.insert(group, error);
    }
    let groups_may_be_missing = !replay.is_accounted();
    let records = replay.records;
    RecoveryReport { files, records, cut, damages, quarantined, groups_may_be_missing, full: false }
}
