//! Reading entries: from memory, or from their file with every checksum verified.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use varve_types::{GroupId, LogIndex};

use crate::error::WalError;
use crate::folder::LogFile;
use crate::format::record::{Kind, RECORD_HEADER_BYTES, RecordHeader};
use crate::index::{Location, WriteId, check_served};
use crate::shared::Shared;

/// Where one entry comes from.
enum Source {
    Memory(Bytes),
    File { log: Arc<LogFile>, location: Location, write: WriteId },
}

/// An entry that its file does not hold as it should.
struct BadEntry {
    index: LogIndex,
    write: WriteId,
    log: Arc<LogFile>,
    offset: u64,
    what: &'static str,
}

/// As [`crate::WalGroup::read`].
pub(crate) async fn read(
    shared: &Shared,
    group: GroupId,
    range: Range<LogIndex>,
    bytes_max: usize,
) -> Result<Vec<(LogIndex, Bytes)>, WalError> {
    loop {
        let sources = sources(shared, group, &range, bytes_max)?;
        let blocks = sources.iter().any(|(_, source)| matches!(source, Source::File { .. }));
        let job = move || load_all(group, sources);
        let outcome = if blocks { shared.blocking.run(job).await } else { job() };
        let bad = match outcome {
            Ok(entries) => return Ok(entries),
            Err(bad) => bad,
        };
        // While we read, the entry may have been purged and its file used anew: look again.
        let state = shared.lock();
        let log = state.groups.get(&group);
        if log.and_then(|log| log.slot(bad.index, bad.write)).is_some() {
            let BadEntry { log, offset, what, .. } = bad;
            let (file, groups) = (log.path.clone(), vec![group]);
            return Err(WalError::Corrupt { file, offset, what, groups });
        }
    }
}

fn sources(
    shared: &Shared,
    group: GroupId,
    range: &Range<LogIndex>,
    bytes_max: usize,
) -> Result<Vec<(LogIndex, Source)>, WalError> {
    let state = shared.lock();
    if let Some(message) = &state.failed {
        return Err(WalError::Failed { message: Arc::clone(message) });
    }
    let log = state.groups.get(&group);
    check_served(group, log)?;
    let Some(log) = log else { return Ok(Vec::new()) };
    let mut sources = Vec::new();
    let mut bytes = 0;
    for (index, slot) in log.range(range) {
        let source = match (&slot.bytes, slot.location) {
            (Some(bytes), _) => Source::Memory(bytes.clone()),
            (None, Some(location)) => {
                let log = state.files.get(&location.file);
                let log = Arc::clone(log.expect("BUG: a live entry's file was freed"));
                Source::File { log, location, write: slot.write }
            }
            (None, None) => {
                panic!("BUG: entry {index} of {group} is neither in memory nor in a file")
            }
        };
        bytes += match &source {
            Source::Memory(bytes) => bytes.len(),
            Source::File { location, .. } => location.payload_bytes as usize,
        };
        if bytes > bytes_max && !sources.is_empty() {
            break;
        }
        sources.push((index, source));
    }
    Ok(sources)
}

fn load_all(
    group: GroupId,
    sources: Vec<(LogIndex, Source)>,
) -> Result<Vec<(LogIndex, Bytes)>, BadEntry> {
    let mut entries = Vec::with_capacity(sources.len());
    for (index, source) in sources {
        let bytes = match source {
            Source::Memory(bytes) => bytes,
            Source::File { log, location, write } => {
                load(group, index, &log, location).map_err(|what| {
                    let offset = location.offset;
                    BadEntry { index, write, log, offset, what }
                })?
            }
        };
        entries.push((index, bytes));
    }
    Ok(entries)
}

fn load(
    group: GroupId,
    index: LogIndex,
    log: &LogFile,
    location: Location,
) -> Result<Bytes, &'static str> {
    let length = RECORD_HEADER_BYTES + location.payload_bytes as usize;
    let record =
        log.read(location.offset, length).map_err(|_| "the disk cannot read an entry back")?;
    let header = RecordHeader::decode(&record, log.header.salt, location.offset)
        .ok_or("an entry's header fails its checksum")?;
    let expected = header.kind == Kind::Append
        && header.group == group
        && header.index == index.get()
        && header.payload_bytes == location.payload_bytes;
    if !expected {
        return Err("another record stands where an entry was written");
    }
    let payload = Bytes::from(record).slice(RECORD_HEADER_BYTES..);
    if crc32c::crc32c(&payload) != header.payload_crc {
        return Err("an entry fails its checksum");
    }
    Ok(payload)
}
