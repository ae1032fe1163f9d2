//! The library that lies between a node and its C library (`preload.c`), built when it is needed,
//! and the page of memory by which a node is told what is wrong now.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

const SOURCE: &str = include_str!("preload.c");
const PAGE_BYTES: u64 = 4_096;

/// The library, built.
#[derive(Clone, Debug)]
pub struct Preload(PathBuf);

/// What is wrong with the clock or the disk of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spoiled {
    /// Added to its wall clock.
    pub clock_offset_ns: i64,
    /// Every sync takes so much more.
    pub sync_delay_us: u32,
    /// Every sync fails with this error of the system.
    pub sync_errno: u32,
    /// Every write fails with this error of the system.
    pub write_errno: u32,
}

/// How often what was wrong was met, in this order: wrong times, spoiled syncs, failed writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// How often a wrong time was told.
    pub times: u64,
    /// How many syncs were slow or failed.
    pub syncs: u64,
    /// How many writes failed.
    pub writes: u64,
}

/// One node's page.
#[derive(Debug)]
pub struct Page {
    file: File,
    path: PathBuf,
}

impl Preload {
    /// Builds it in a folder.
    ///
    /// # Errors
    ///
    /// Without a C compiler.
    pub fn build(folder: &Path) -> Result<Self, Failure> {
        let (source, library) = (folder.join("preload.c"), folder.join("preload.so"));
        std::fs::write(&source, SOURCE)?;
        let mut command = Command::new("cc");
        command.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        let output = command.output().map_err(|error| format!("no C compiler: {error}"))?;
        std::fs::remove_file(&source)?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(Self(library))
    }

    /// Has a command use it, with a page.
    pub fn put_before(&self, command: &mut Command, page: &Page) {
        command.env("LD_PRELOAD", &self.0).env("JEPSEN_PAGE", &page.path);
    }
}

impl Page {
    /// A page on which nothing is wrong.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub fn make(path: PathBuf) -> Result<Self, Failure> {
        let options = File::options().read(true).write(true).create(true).truncate(true).clone();
        let file = options.open(&path)?;
        file.set_len(PAGE_BYTES)?;
        Ok(Self { file, path })
    }

    /// The same page once more.
    ///
    /// # Errors
    ///
    /// When the system has no more handles.
    pub fn reopen(&self) -> Result<Self, Failure> {
        Ok(Self { file: self.file.try_clone()?, path: self.path.clone() })
    }

    /// Has the node meet this from now on, and counts anew how often it does.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn spoil(&self, spoiled: Spoiled) -> Result<(), Failure> {
        self.file.write_all_at(&[0; 24], 24)?;
        self.set(spoiled)
    }

    /// Has the node meet this from now on.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn set(&self, spoiled: Spoiled) -> Result<(), Failure> {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&spoiled.clock_offset_ns.to_ne_bytes());
        bytes[8..12].copy_from_slice(&spoiled.sync_delay_us.to_ne_bytes());
        bytes[12..16].copy_from_slice(&spoiled.sync_errno.to_ne_bytes());
        bytes[16..].copy_from_slice(&spoiled.write_errno.to_ne_bytes());
        Ok(self.file.write_all_at(&bytes, 0)?)
    }

    /// How often the node met something wrong, since [`Page::spoil`].
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn met(&self) -> Result<Met, Failure> {
        let count = |at| -> Result<u64, Failure> {
            let mut bytes = [0; 8];
            self.file.read_exact_at(&mut bytes, at)?;
            Ok(u64::from_ne_bytes(bytes))
        };
        Ok(Met { times: count(24)?, syncs: count(32)?, writes: count(40)? })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_program_is_told_the_wrong_time_and_its_syncs_fail() {
        let folder = tempfile::tempdir().expect("a folder");
        let preload = Preload::build(folder.path()).expect("this project needs a C compiler");
        let page = Page::make(folder.path().join("page")).expect("made");
        let run = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).current_dir(folder.path());
            preload.put_before(&mut command, &page);
            command.output().expect("sh runs")
        };
        let off_s = 100_000_i64;
        let clock = Spoiled { clock_offset_ns: off_s * 1_000_000_000, ..Spoiled::default() };
        page.spoil(clock).expect("written");
        let told = String::from_utf8(run("date +%s").stdout).expect("text");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let off = told.trim().parse::<i64>().expect("a number") - now.cast_signed();
        assert!((off_s - 60..=off_s).contains(&off), "{off}");
        assert!(page.met().expect("read").times > 0);
        let disk = Spoiled { sync_errno: libc::EIO.cast_unsigned(), ..Spoiled::default() };
        page.spoil(disk).expect("written");
        let script = "echo data > file && sync --data file";
        let failed = run(script);
        assert!(!failed.status.success(), "{failed:?}");
        assert_eq!(page.met().expect("read"), Met { syncs: 1, ..Met::default() });
        page.set(Spoiled::default()).expect("written");
        assert!(run(script).status.success());
    }
}
