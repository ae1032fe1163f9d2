//! The names of a simulated disk: directories that remember which changes are not durable yet.
//!
//! Files and directories are numbered, and names only point at them, so that a rename does not
//! disturb who has a file open, and a directory made anew is not the one that was removed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::survival::Judge;
use super::trace::FileId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DirId(u64);

const ROOT: DirId = DirId(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    File(FileId),
    Dir(DirId),
}

#[derive(Clone, Debug)]
enum Change {
    Put {
        name: OsString,
        entry: Entry,
    },
    Drop {
        name: OsString,
        /// The directory that a rename put the entry into: that must not be lost while this is
        /// kept, or the file would be gone.
        into: Option<DirId>,
    },
    /// A rename inside one directory is one change.
    Move {
        from: OsString,
        to: OsString,
        entry: Entry,
    },
}

#[derive(Clone, Debug)]
struct Pending {
    /// The same for both halves of a rename between directories.
    number: u64,
    change: Change,
}

#[derive(Clone, Debug, Default)]
struct Dir {
    names: BTreeMap<OsString, Entry>,
    synced: BTreeMap<OsString, Entry>,
    pending: Vec<Pending>,
}

/// All names.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    dirs: BTreeMap<DirId, Dir>,
    dirs_made: u64,
    changes_made: u64,
}

impl Tree {
    /// An empty root directory.
    pub(super) fn new() -> Self {
        Self { dirs: BTreeMap::from([(ROOT, Dir::default())]), dirs_made: 0, changes_made: 0 }
    }

    /// What has this name.
    pub(super) fn entry(&self, path: &Path) -> io::Result<Entry> {
        let mut entry = Entry::Dir(ROOT);
        for name in names(path)? {
            let Entry::Dir(dir) = entry else { return Err(not_a_directory(path)) };
            entry = *self.dir(dir).names.get(name).ok_or_else(|| not_found(path))?;
        }
        Ok(entry)
    }

    /// The directory that holds, or would hold, this name; and the name's last part.
    pub(super) fn holder(&self, path: &Path) -> io::Result<(DirId, OsString)> {
        let mut names = names(path)?;
        let name = names.pop().ok_or_else(|| is_a_directory(path))?;
        let mut dir = ROOT;
        for name in names {
            match self.dir(dir).names.get(name) {
                Some(Entry::Dir(inner)) => dir = *inner,
                Some(Entry::File(_)) => return Err(not_a_directory(path)),
                None => return Err(not_found(path)),
            }
        }
        Ok((dir, name.to_owned()))
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let Entry::Dir(dir) = self.entry(path)? else { return Err(not_a_directory(path)) };
        Ok(self.dir(dir).names.keys().map(PathBuf::from).collect())
    }

    /// Makes the directories of a path, durably.
    pub(super) fn create_dirs(&mut self, path: &Path) -> io::Result<()> {
        let mut dir = ROOT;
        for name in names(path)? {
            dir = match self.dir(dir).names.get(name) {
                Some(Entry::Dir(inner)) => *inner,
                Some(Entry::File(_)) => {
                    let what = "a file has the name of a directory in it";
                    return Err(failure(io::ErrorKind::AlreadyExists, what, path));
                }
                None => {
                    self.dirs_made += 1;
                    let made = DirId(self.dirs_made);
                    self.dirs.insert(made, Dir::default());
                    self.change(dir, Change::Put { name: name.into(), entry: Entry::Dir(made) });
                    self.sync(dir);
                    made
                }
            };
        }
        Ok(())
    }

    /// Gives a file a name that nothing has.
    pub(super) fn add(&mut self, path: &Path, file: FileId) -> io::Result<()> {
        let (dir, name) = self.holder(path)?;
        self.change(dir, Change::Put { name, entry: Entry::File(file) });
        Ok(())
    }

    /// Renames a file; answers which file lost its name thereby.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<Option<FileId>> {
        let ((from_dir, from_name), (to_dir, to_name)) = (self.holder(from)?, self.holder(to)?);
        let Entry::File(file) = self.entry(from)? else {
            return Err(failure(io::ErrorKind::Unsupported, "directories are not renamed", from));
        };
        let replaced = match self.dir(to_dir).names.get(&to_name) {
            Some(Entry::Dir(_)) => return Err(is_a_directory(to)),
            Some(Entry::File(replaced)) if *replaced == file => return Ok(None),
            Some(Entry::File(replaced)) => Some(*replaced),
            None => None,
        };
        let entry = Entry::File(file);
        if from_dir == to_dir {
            self.change(from_dir, Change::Move { from: from_name, to: to_name, entry });
        } else {
            self.change(to_dir, Change::Put { name: to_name, entry });
            self.changes_made -= 1;
            self.change(from_dir, Change::Drop { name: from_name, into: Some(to_dir) });
        }
        Ok(replaced)
    }

    /// Removes a file's name.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<FileId> {
        let Entry::File(file) = self.entry(path)? else { return Err(is_a_directory(path)) };
        let (dir, name) = self.holder(path)?;
        self.change(dir, Change::Drop { name, into: None });
        Ok(file)
    }

    /// Removes a directory with all in it, name by name; answers the files that lost theirs.
    pub(super) fn remove_dirs(&mut self, path: &Path) -> io::Result<Vec<FileId>> {
        let Entry::Dir(dir) = self.entry(path)? else { return Err(not_a_directory(path)) };
        let (holder, name) = self.holder(path)?;
        let mut files = Vec::new();
        self.empty(dir, &mut files);
        self.change(holder, Change::Drop { name, into: None });
        Ok(files)
    }

    fn empty(&mut self, dir: DirId, files: &mut Vec<FileId>) {
        for (name, entry) in self.dir(dir).names.clone() {
            match entry {
                Entry::File(file) => files.push(file),
                Entry::Dir(inner) => self.empty(inner, files),
            }
            self.change(dir, Change::Drop { name, into: None });
        }
    }

    /// Makes the names of one directory durable.
    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let Entry::Dir(dir) = self.entry(path)? else { return Err(not_a_directory(path)) };
        self.sync(dir);
        Ok(())
    }

    fn sync(&mut self, dir: DirId) {
        let all = self.dir(dir).pending.len();
        self.settle(BTreeMap::from([(dir, all)]));
    }

    /// Keeps of each directory's changes what the judge says, and forgets the rest.
    pub(super) fn crash(&mut self, judge: &mut Judge) {
        let kept = self.dirs.iter().map(|(id, dir)| (*id, judge.names_kept(dir.pending.len())));
        let kept = kept.collect();
        self.settle(kept);
        for dir in self.dirs.values_mut() {
            dir.pending.clear();
            dir.names.clone_from(&dir.synced);
        }
    }

    /// The files that have a name, or had one or may get one after a crash. Directories that can
    /// no longer be reached are forgotten.
    pub(super) fn sweep(&mut self) -> BTreeSet<FileId> {
        let (mut files, mut reached) = (BTreeSet::new(), BTreeSet::from([ROOT]));
        let mut todo = vec![ROOT];
        while let Some(dir) = todo.pop() {
            let dir = self.dir(dir);
            let entries = dir.names.values().chain(dir.synced.values()).copied();
            let pending = dir.pending.iter().filter_map(|pending| match &pending.change {
                Change::Put { entry, .. } | Change::Move { entry, .. } => Some(*entry),
                Change::Drop { .. } => None,
            });
            for entry in entries.chain(pending) {
                match entry {
                    Entry::File(file) => _ = files.insert(file),
                    Entry::Dir(inner) if reached.insert(inner) => todo.push(inner),
                    Entry::Dir(_) => {}
                }
            }
        }
        self.dirs.retain(|id, _| reached.contains(id));
        files
    }

    /// How many names each file has.
    pub(super) fn links(&self) -> BTreeMap<FileId, u32> {
        let mut links = BTreeMap::new();
        for entry in self.dirs.values().flat_map(|dir| dir.names.values()) {
            if let Entry::File(file) = entry {
                *links.entry(*file).or_default() += 1;
            }
        }
        links
    }

    /// Makes the first so many changes of each directory durable, and with the removal of a
    /// renamed file's old name also its new one.
    fn settle(&mut self, mut kept: BTreeMap<DirId, usize>) {
        loop {
            let mut needed = Vec::new();
            for (dir, kept) in &kept {
                for pending in &self.dir(*dir).pending[..*kept] {
                    if let Change::Drop { into: Some(into), .. } = pending.change
                        && let Some(target) = self.dirs.get(&into)
                        && let Some(place) =
                            target.pending.iter().position(|other| other.number == pending.number)
                    {
                        needed.push((into, place + 1));
                    }
                }
            }
            let mut grown = false;
            for (dir, wanted) in needed {
                let kept = kept.entry(dir).or_default();
                grown |= *kept < wanted;
                *kept = wanted.max(*kept);
            }
            if !grown {
                break;
            }
        }
        for (id, kept) in kept {
            let dir = self.dir_mut(id);
            for pending in dir.pending.drain(..kept) {
                perform(&mut dir.synced, pending.change);
            }
        }
    }

    fn change(&mut self, dir: DirId, change: Change) {
        self.changes_made += 1;
        let number = self.changes_made;
        let dir = self.dir_mut(dir);
        perform(&mut dir.names, change.clone());
        dir.pending.push(Pending { number, change });
    }

    fn dir(&self, id: DirId) -> &Dir {
        self.dirs.get(&id).expect("BUG: a name points at a directory that is gone")
    }

    fn dir_mut(&mut self, id: DirId) -> &mut Dir {
        self.dirs.get_mut(&id).expect("BUG: a name points at a directory that is gone")
    }
}

fn perform(names: &mut BTreeMap<OsString, Entry>, change: Change) {
    match change {
        Change::Put { name, entry } => _ = names.insert(name, entry),
        Change::Drop { name, .. } => _ = names.remove(&name),
        Change::Move { from, to, entry } => {
            names.remove(&from);
            names.insert(to, entry);
        }
    }
}

/// The parts of a path, from the root; a relative path is taken from the root as well.
fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    path.components()
        .filter_map(|component| match component {
            Component::RootDir | Component::CurDir => None,
            Component::Normal(name) => Some(Ok(name)),
            Component::ParentDir | Component::Prefix(_) => {
                let what = "the simulated disk takes no path with ..";
                Some(Err(failure(io::ErrorKind::InvalidInput, what, path)))
            }
        })
        .collect()
}

fn failure(kind: io::ErrorKind, what: &str, path: &Path) -> io::Error {
    io::Error::new(kind, format!("{}: {what}", path.display()))
}

fn not_found(path: &Path) -> io::Error {
    failure(io::ErrorKind::NotFound, "no such file or directory", path)
}

fn not_a_directory(path: &Path) -> io::Error {
    failure(io::ErrorKind::NotADirectory, "not a directory", path)
}

fn is_a_directory(path: &Path) -> io::Error {
    failure(io::ErrorKind::IsADirectory, "is a directory", path)
}
