//! The real logs, where they are: `VARVE_SHARED`, or `../shared` beside the project.

use std::io::Read;
use std::path::{Path, PathBuf};

/// A stream of real logs.
pub(super) struct Stream {
    /// The file's name without its endings: what `varve send` calls the service.
    pub service: String,
    /// The lines as they are to come back: terminators removed, empty ones left out.
    pub lines: Vec<Vec<u8>>,
}

/// All streams, or `None` where they are not there; then the test says that it is skipped.
pub(super) fn streams() -> Option<Vec<PathBuf>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VARVE_SHARED").map_or(beside, PathBuf::from);
    let mut found = Vec::new();
    collect(&shared.join("data"), &mut found);
    found.sort();
    if found.is_empty() {
        println!("skipped: no logs in {}", shared.display());
        return None;
    }
    Some(found)
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "zst") {
            found.push(path);
        }
    }
}

impl Stream {
    pub(super) fn read(path: &Path) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test reads its own input")]
        let file = std::fs::File::open(path).expect("opens");
        let mut bytes = Vec::new();
        let mut decoder = zstd::Decoder::new(file).expect("zstd");
        decoder.read_to_end(&mut bytes).expect("decompresses");
        let mut lines: Vec<Vec<u8>> = bytes
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
            .collect();
        lines.retain(|line| !line.is_empty());
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let service = name.split('.').next().unwrap_or(name).to_owned();
        Self { service, lines }
    }

    /// Lines that have this word, by the rules for words, told the slow way.
    pub(super) fn with_word(&self, word: &[u8]) -> u64 {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        let has = |line: &&Vec<u8>| {
            line.split(|byte| !is_word(byte)).any(|token| token.eq_ignore_ascii_case(word))
        };
        self.lines.iter().filter(has).count() as u64
    }

    /// Lines that contain this phrase, whatever its case.
    pub(super) fn with_phrase(&self, phrase: &[u8]) -> u64 {
        let wanted = phrase.to_ascii_lowercase();
        let has = |line: &&Vec<u8>| {
            line.to_ascii_lowercase().windows(wanted.len()).any(|window| window == wanted)
        };
        self.lines.iter().filter(has).count() as u64
    }
}
