//! Opening a log: reading every file, proving every group's chain, cutting a torn end.

mod replay;
mod replayed;
mod report;
mod scan;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_env::{Disk, DiskFile};

pub use report::{Cut, DamagedPlace, RecoveryReport};

use crate::error::{IoFailure, WalError};
use crate::folder::{Folder, LogFile};
use crate::format::file_header::{CAPACITY_MAX, FileHeader, FileHeaderError};
use crate::format::{Counter, FileSequence, RECORDS_START, RecordSequence};
use crate::options::WalOptions;
use replay::Replay;
use scan::{After, Found, Scan};

/// Sequences skipped when nobody knows how many records were lost: more than any file holds, so
/// that a new record never takes the number of a lost one.
const UNKNOWN_LOSS: u64 = 1 << 32;

/// Zeros written at once over a torn end.
const ZEROS_BYTES: usize = 1 << 20;

/// A log as its files make it.
pub(crate) struct Recovered {
    pub(crate) folder: Folder,
    pub(crate) replay: Replay,
    pub(crate) files: VecDeque<Arc<LogFile>>,
    pub(crate) next_file: FileSequence,
    /// Where in the last file the next round goes.
    pub(crate) position: Option<u64>,
    pub(crate) next: RecordSequence,
    pub(crate) report: RecoveryReport,
}

/// A named file, readable or not.
struct Candidate {
    sequence: FileSequence,
    path: PathBuf,
    file: Option<(Arc<dyn DiskFile>, u64)>,
    header: Option<FileHeader>,
}

/// Reads the log in `dir`. Blocks.
pub(crate) fn recover(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &WalOptions,
) -> Result<Recovered, WalError> {
    let (folder, names) = Folder::open(disk, dir, options)?;
    let candidates = candidates(&folder, dir, names)?;
    let next_file = candidates
        .last()
        .map_or(FileSequence(1), |last| FileSequence(last.sequence.0.saturating_add(1)));
    let mut reading = Reading {
        replay: Replay::new(options.cache_bytes),
        files: VecDeque::new(),
        position: None,
        next: RecordSequence(1),
        cut: None,
    };
    for (nth, candidate) in candidates.iter().enumerate() {
        let after = match candidates.get(nth + 1) {
            None => After::Nothing,
            Some(Candidate { header: Some(header), .. }) => After::Starts(header.first),
            Some(_) => After::Unknown,
        };
        reading.read(nth == 0, candidate, after)?;
    }
    let Reading { mut replay, files, position, next, cut } = reading;
    let report = report::report(&mut replay, dir, files.len(), cut);
    Ok(Recovered { folder, replay, files, next_file, position, next, report })
}

/// Opens what the folder lists, and notes what is missing in between.
fn candidates(
    folder: &Folder,
    dir: &Path,
    names: Vec<(FileSequence, PathBuf)>,
) -> Result<Vec<Candidate>, WalError> {
    let mut candidates: Vec<Candidate> = Vec::with_capacity(names.len());
    for (sequence, path) in names {
        let next = candidates.last().map(|last| FileSequence(last.sequence.0 + 1));
        if let Some(missing) = next
            && missing != sequence
        {
            let path = dir.join(crate::folder::log_name(missing));
            candidates.push(Candidate { sequence: missing, path, file: None, header: None });
        }
        let file = folder.open_log(&path)?;
        let bytes = file.len().map_err(IoFailure::of("measure", &path))?;
        let header = read_header(&path, file.as_ref(), bytes)?;
        // Sequences only grow: a header that says otherwise is not this file's.
        let first = candidates.iter().rev().find_map(|earlier| earlier.header).map(|it| it.first);
        let header = header.filter(|header| {
            header.sequence == sequence && first.is_none_or(|first| first <= header.first)
        });
        candidates.push(Candidate { sequence, path, file: Some((file, bytes)), header });
    }
    Ok(candidates)
}

fn read_header(
    path: &Path,
    file: &dyn DiskFile,
    bytes: u64,
) -> Result<Option<FileHeader>, WalError> {
    if bytes < RECORDS_START as u64 {
        return Ok(None);
    }
    let mut block = vec![0; RECORDS_START];
    file.read_exact_at(&mut block, 0).map_err(IoFailure::of("read", path))?;
    match FileHeader::decode(&block) {
        Ok(header) => Ok(Some(header)),
        Err(FileHeaderError::Damaged) => Ok(None),
        Err(FileHeaderError::Version(version)) => {
            Err(WalError::Version { file: path.to_owned(), version })
        }
    }
}

/// The state between two files.
struct Reading {
    replay: Replay,
    files: VecDeque<Arc<LogFile>>,
    position: Option<u64>,
    next: RecordSequence,
    cut: Option<Cut>,
}

impl Reading {
    fn read(&mut self, first: bool, candidate: &Candidate, after: After) -> Result<(), WalError> {
        self.position = None;
        self.replay.marks_in_file = 0;
        let Candidate { sequence, path, file: Some((file, bytes)), header: Some(header) } =
            candidate
        else {
            self.unreadable(candidate, after);
            return Ok(());
        };
        if first {
            self.next = header.first;
            self.replay.round = Counter(header.round.0 - 1);
        }
        let whole = *bytes >= header.capacity;
        let mut contents =
            vec![0; usize::try_from(header.capacity.min(*bytes).min(CAPACITY_MAX)).unwrap_or(0)];
        file.read_exact_at(&mut contents, 0).map_err(IoFailure::of("read", path))?;
        // A file that was cut off held synced records nobody knows of, unless a later file does.
        let beyond = if !whole && after == After::Nothing { After::Unknown } else { after };
        let scan = Scan::new(&contents, *header, beyond);
        let mut torn = None;
        let (end, next) = scan.run(self.next, &mut |found| {
            if let Found::Torn { offset, stale_end } = found {
                torn = Some((offset, stale_end));
            }
            self.replay.found(*sequence, path, &found);
        });
        self.next = next;
        if let Some((offset, stale_end)) = torn.filter(|(offset, end)| offset < end) {
            erase(path, file.as_ref(), offset, stale_end)?;
            self.cut = Some(Cut { file: path.clone(), offset });
        }
        if whole {
            self.position = end.map(|end| end as u64);
        } else if after == After::Nothing {
            self.replay.damage(path, *bytes, "the file is shorter than it was made");
            self.skip_unknown(after);
        }
        // What a killed process wrote may still be only in memory.
        file.sync_data().map_err(IoFailure::of("sync", path))?;
        // What it can hold for real, so that it is not used anew for more.
        let header = FileHeader { capacity: header.capacity.min(*bytes), ..*header };
        let (path, file) = (path.clone(), Arc::clone(file));
        self.files.push_back(Arc::new(LogFile { path, file, header }));
        Ok(())
    }

    fn unreadable(&mut self, candidate: &Candidate, after: After) {
        let Candidate { sequence, path, file, .. } = candidate;
        let what = match file {
            Some(_) => "the file's header cannot be read, so none of its records can",
            None => "the file is missing",
        };
        self.replay.damage(path, 0, what);
        if let Some((file, capacity)) = file {
            // So that it is freed with those before it; nothing is ever read from it.
            let header = FileHeader {
                sequence: *sequence,
                salt: 0,
                first: self.next,
                capacity: *capacity,
                round: self.replay.round,
            };
            let (path, file) = (path.clone(), Arc::clone(file));
            self.files.push_back(Arc::new(LogFile { path, file, header }));
        }
        self.skip_unknown(after);
    }

    /// Goes on after a loss; one at the log's end nobody can count.
    fn skip_unknown(&mut self, after: After) {
        if let After::Starts(next) = after {
            self.replay.lose(self.next, next);
            self.next = next;
        } else {
            self.next = RecordSequence(self.next.0.saturating_add(UNKNOWN_LOSS));
            self.replay.lose_unknown(self.next);
        }
    }
}

/// Overwrites whole records of a torn write, lest a later recovery takes them for newer ones.
fn erase(path: &Path, file: &dyn DiskFile, from: u64, to: u64) -> Result<(), IoFailure> {
    let zeros = vec![0; ZEROS_BYTES];
    let mut at = from;
    while at < to {
        let length = ZEROS_BYTES.min(usize::try_from(to - at).unwrap_or(ZEROS_BYTES));
        file.write_all_at(&zeros[..length], at).map_err(IoFailure::of("write to", path))?;
        at += length as u64;
    }
    file.sync_data().map_err(IoFailure::of("sync", path))
}
