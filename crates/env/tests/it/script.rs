//! Random programs over a disk: few names, few files, small sizes, so that they collide.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use varve_env::{Disk, DiskFile, OpenMode};

/// The files a program may have open at a time.
const HANDLES: usize = 3;

/// One step of a program.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Open { handle: usize, path: PathBuf, mode: OpenMode },
    Close { handle: usize },
    Write { handle: usize, offset: u64, byte: u8, bytes: usize },
    Read { handle: usize, offset: u64, bytes: usize },
    SetLen { handle: usize, bytes: u64 },
    Allocate { handle: usize, bytes: u64 },
    SyncData { handle: usize },
    Len { handle: usize },
    CreateDirs { path: PathBuf },
    List { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
    RemoveDirs { path: PathBuf },
    SyncDir { path: PathBuf },
    Exists { path: PathBuf },
}

/// What a step showed: its answer as text, or the kind of its error.
pub(crate) type Shown = Result<String, io::ErrorKind>;

fn path() -> impl Strategy<Value = PathBuf> {
    prop::sample::select(vec!["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "missing/a"])
        .prop_map(PathBuf::from)
}

fn mode() -> impl Strategy<Value = OpenMode> {
    prop::sample::select(vec![
        OpenMode::Create,
        OpenMode::Create,
        OpenMode::Write,
        OpenMode::Read,
        OpenMode::CreateNew,
    ])
}

fn step() -> impl Strategy<Value = Step> {
    let size = 0u64..12_000;
    let handle = 0..HANDLES;
    prop_oneof![
        4 => (handle.clone(), path(), mode())
            .prop_map(|(handle, path, mode)| Step::Open { handle, path, mode }),
        1 => handle.clone().prop_map(|handle| Step::Close { handle }),
        6 => (handle.clone(), size.clone(), 1u8.., 0usize..9_000)
            .prop_map(|(handle, offset, byte, bytes)| Step::Write { handle, offset, byte, bytes }),
        3 => (handle.clone(), size.clone(), 0usize..9_000)
            .prop_map(|(handle, offset, bytes)| Step::Read { handle, offset, bytes }),
        2 => (handle.clone(), size.clone())
            .prop_map(|(handle, bytes)| Step::SetLen { handle, bytes }),
        2 => (handle.clone(), size).prop_map(|(handle, bytes)| Step::Allocate { handle, bytes }),
        2 => handle.clone().prop_map(|handle| Step::SyncData { handle }),
        1 => handle.prop_map(|handle| Step::Len { handle }),
        2 => path().prop_map(|path| Step::CreateDirs { path }),
        1 => path().prop_map(|path| Step::List { path }),
        3 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => path().prop_map(|path| Step::Remove { path }),
        1 => path().prop_map(|path| Step::RemoveDirs { path }),
        2 => path().prop_map(|path| Step::SyncDir { path }),
        1 => path().prop_map(|path| Step::Exists { path }),
    ]
}

/// Programs of up to so many steps.
pub(crate) fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..max)
}

/// A program that runs below one directory of a disk.
pub(crate) struct Machine<'a> {
    disk: &'a dyn Disk,
    root: &'a Path,
    handles: [Option<(Arc<dyn DiskFile>, OpenMode)>; HANDLES],
}

impl<'a> Machine<'a> {
    pub(crate) fn new(disk: &'a dyn Disk, root: &'a Path) -> Self {
        Self { disk, root, handles: [const { None }; HANDLES] }
    }

    /// Takes one step; `None` where it makes no sense: nothing open, or open for reading only.
    pub(crate) fn take(&mut self, step: &Step) -> Option<Shown> {
        let at = |path: &Path| self.root.join(path);
        let done = match step {
            Step::Open { handle, path, mode } => {
                // What opening a directory for reading answers is left open.
                if self.disk.list(&at(path)).is_ok() {
                    return None;
                }
                let opened = self.disk.open(&at(path), *mode);
                self.handles[*handle] = None;
                opened.map(|file| {
                    self.handles[*handle] = Some((file, *mode));
                    String::new()
                })
            }
            Step::Close { handle } => {
                self.handles[*handle] = None;
                Ok(String::new())
            }
            Step::Write { handle, offset, byte, bytes } => {
                self.writable(*handle)?.write_all_at(&vec![*byte; *bytes], *offset).map(text)
            }
            Step::Read { handle, offset, bytes } => {
                let mut buffer = vec![0; *bytes];
                let read = self.file(*handle)?.read_exact_at(&mut buffer, *offset);
                read.map(|()| format!("{buffer:?}"))
            }
            Step::SetLen { handle, bytes } => self.writable(*handle)?.set_len(*bytes).map(text),
            Step::Allocate { handle, bytes } => self.writable(*handle)?.allocate(*bytes).map(text),
            Step::SyncData { handle } => self.file(*handle)?.sync_data().map(text),
            Step::Len { handle } => self.file(*handle)?.len().map(|len| len.to_string()),
            Step::CreateDirs { path } => self.disk.create_dir_all(&at(path)).map(text),
            Step::List { path } => self.disk.list(&at(path)).map(|names| format!("{names:?}")),
            Step::Rename { from, to } => {
                // Directories are not renamed, and systems differ in why a file cannot replace
                // the directory it is in.
                if self.disk.list(&at(from)).is_ok() || from.starts_with(to) {
                    return None;
                }
                self.disk.rename(&at(from), &at(to)).map(text)
            }
            Step::Remove { path } => self.disk.remove(&at(path)).map(text),
            Step::RemoveDirs { path } => self.disk.remove_dir_all(&at(path)).map(text),
            Step::SyncDir { path } => {
                // Syncing a file by its name is not what the call is for.
                self.disk.list(&at(path)).ok()?;
                self.disk.sync_dir(&at(path)).map(text)
            }
            Step::Exists { path } => Ok(self.disk.exists(&at(path)).to_string()),
        };
        Some(done.map_err(|error| error.kind()))
    }

    pub(crate) fn file(&self, handle: usize) -> Option<&dyn DiskFile> {
        self.handles[handle].as_ref().map(|(file, _)| &**file)
    }

    fn writable(&self, handle: usize) -> Option<&dyn DiskFile> {
        let (file, mode) = self.handles[handle].as_ref()?;
        (*mode != OpenMode::Read).then_some(&**file)
    }
}

fn text((): ()) -> String {
    String::new()
}

/// All files below a directory with their bytes, by path from there.
pub(crate) fn files(disk: &dyn Disk, root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        match disk.list(&root.join(&path)) {
            Ok(names) => todo.extend(names.iter().rev().map(|name| path.join(name))),
            Err(_) => {
                let opened = disk.open(&root.join(&path), OpenMode::Read);
                let file = opened.expect("a listed name is a directory or a file");
                let len = file.len().expect("an open file has a length");
                let mut bytes = vec![0; usize::try_from(len).expect("files are small")];
                file.read_exact_at(&mut bytes, 0).expect("a file is as long as it says");
                found.push((path, bytes));
            }
        }
    }
    found
}
