//! The files to send: opened, decompressed by what they begin with, and named.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use varve_types::TimestampNs;

/// One argument of `varve send`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// `-`
    Stdin,
    /// A path.
    File(PathBuf),
}

/// An input that is ready to be read.
pub(super) struct Opened {
    pub(super) reader: Box<dyn BufRead>,
    /// When it was last written: what no year was written with is not after this.
    pub(super) written: Option<TimestampNs>,
}

/// How long a live input says nothing before what it said is sent.
const SILENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// Lines within this buffer are not copied.
const BUFFER_BYTES: usize = 256 << 10;

/// `zstd --ultra --long=31` needs windows this large: 2^31 bytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

impl Input {
    pub(super) fn parse(argument: &str) -> Self {
        if argument == "-" { Self::Stdin } else { Self::File(PathBuf::from(argument)) }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// How long it is on disk, in bytes, where that is known before it is read.
    pub(super) fn bytes(&self) -> io::Result<Option<u64>> {
        let Self::File(path) = self else { return Ok(None) };
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a directory; name the files in it"));
        }
        Ok(metadata.is_file().then_some(metadata.len()))
    }

    /// The name that a file gives its lines' service: its own, without what says how it is
    /// packed or that it is a log.
    pub(super) fn service(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        let name = path.file_name()?.to_string_lossy();
        let mut stem: &str = &name;
        while let Some((rest, last)) = stem.rsplit_once('.') {
            let rotation = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
            if rest.is_empty() || !(rotation || SUFFIXES.contains(&last)) {
                break;
            }
            stem = rest;
        }
        Some(stem.to_owned())
    }

    /// Opens it; `read_bytes` counts what is read of it. Standard input that is plain text then
    /// answers `TimedOut` whenever nothing has come for [`SILENCE`], if `live` asks for that.
    pub(super) fn open(&self, read_bytes: &Arc<AtomicU64>, live: bool) -> io::Result<Opened> {
        let counted = Arc::clone(read_bytes);
        let impatient = Rc::new(Cell::new(false));
        let (source, written): (Box<dyn Read>, _) = match self {
            Self::Stdin => (Box::new(LiveStdin { impatient: Rc::clone(&impatient) }), None),
            Self::File(path) => {
                let file = open_file(path)?;
                let written = file.metadata().and_then(|metadata| metadata.modified()).ok();
                let since = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let ns = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
                (Box::new(file), ns.map(TimestampNs))
            }
        };
        let source = BufReader::with_capacity(BUFFER_BYTES, Counted { source, counted });
        let (reader, is_plain) = decompressed(source)?;
        impatient.set(live && is_plain);
        Ok(Opened { reader, written })
    }
}

const SUFFIXES: [&str; 12] =
    ["gz", "zst", "log", "txt", "json", "jsonl", "ndjson", "out", "err", "GZ", "LOG", "TXT"];

#[expect(clippy::disallowed_methods, reason = "the user's files: no simulation reads them")]
fn open_file(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// The bytes that a source stands for, and whether they are its own.
fn decompressed(mut source: impl BufRead + 'static) -> io::Result<(Box<dyn BufRead>, bool)> {
    let head = source.fill_buf()?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let decoder = flate2::bufread::MultiGzDecoder::new(source);
        Ok((Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)), false))
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::Decoder::with_buffer(source)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok((Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)), false))
    } else {
        Ok((Box::new(source), true))
    }
}

/// Standard input, which may be a pipe that stays open and says something now and then.
struct LiveStdin {
    impatient: Rc<Cell<bool>>,
}

impl Read for LiveStdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        if self.impatient.get() {
            let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
            if poll(&mut wanted, Some(&SILENCE))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        stdin.lock().read(buffer)
    }
}

/// Counts what is read, for the progress bar.
struct Counted {
    source: Box<dyn Read>,
    counted: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.counted.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_s_name_without_its_endings_is_the_service() {
        for (path, service) in [
            ("/var/log/syslog", "syslog"),
            ("Apache_2k.log.zst", "Apache_2k"),
            ("nova-api.log.1", "nova-api"),
            ("app.log.2.gz", "app"),
            ("my.service.log", "my.service"),
            (".log", ".log"),
            ("2024", "2024"),
        ] {
            assert_eq!(Input::parse(path).service().as_deref(), Some(service), "{path}");
        }
        assert_eq!(Input::parse("-").service(), None);
    }
}
