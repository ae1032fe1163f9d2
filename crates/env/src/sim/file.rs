//! One simulated file: its bytes as programs see them, as they were last synced, and the
//! changes in between.

use bytes::Bytes;

use super::image::Image;
use super::survival::Judge;

/// One change that is not durable yet.
#[derive(Clone, Debug)]
struct Pending {
    change: Change,
    /// A sync failed after it. The page cache then takes the data for clean: no later sync
    /// writes it, and only chance brings it to the disk.
    doomed: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Bytes },
    SetLen(u64),
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileState {
    /// As programs see it.
    now: Image,
    /// As the last sync left it.
    synced: Image,
    /// What lies in between, in order.
    pending: Vec<Pending>,
    /// Names that programs see.
    pub(super) links: u32,
    /// How many have it open.
    pub(super) handles: u32,
}

impl FileState {
    /// An empty file with its first name.
    pub(super) fn named() -> Self {
        Self { links: 1, ..Self::default() }
    }

    pub(super) const fn now(&self) -> &Image {
        &self.now
    }

    pub(super) fn write(&mut self, bytes: &Bytes, offset: u64) {
        if bytes.is_empty() {
            return;
        }
        self.now.write(bytes, offset);
        let change = Change::Write { offset, bytes: bytes.clone() };
        self.pending.push(Pending { change, doomed: false });
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.now.set_len(len);
        self.pending.push(Pending { change: Change::SetLen(len), doomed: false });
    }

    pub(super) fn sync(&mut self) {
        if self.pending.iter().any(|pending| pending.doomed) {
            for pending in self.pending.extract_if(.., |pending| !pending.doomed) {
                match pending.change {
                    Change::Write { offset, bytes } => self.synced.write(&bytes, offset),
                    Change::SetLen(len) => self.synced.set_len(len),
                }
            }
        } else if !self.pending.is_empty() {
            self.pending.clear();
            self.synced = self.now.clone();
        }
    }

    /// A sync failed: what waited for it is not to be relied on, ever.
    pub(super) fn doom(&mut self) {
        for pending in &mut self.pending {
            pending.doomed = true;
        }
    }

    /// Puts other bytes in place, on the platter itself: rot and stray hands.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        let mut image = Image::default();
        image.write(bytes, 0);
        (self.now, self.synced) = (image.clone(), image);
        self.pending.clear();
    }

    /// The file as a crash leaves it.
    ///
    /// Writes inside the length that has survived are judged one by one. Changes of the length
    /// survive in order: after the first that is lost (a write that would have grown the file and
    /// was lost or torn is one) the length stays, and later writes are clipped to it. So a file
    /// never has a hole where a program wrote bytes beyond its end.
    pub(super) fn crash(&mut self, judge: &mut Judge) {
        judge.next_file();
        let mut image = std::mem::take(&mut self.synced);
        let mut lengths_survive = true;
        for pending in self.pending.drain(..) {
            match pending.change {
                Change::SetLen(len) => {
                    lengths_survive &= judge.keeps_length();
                    if lengths_survive {
                        image.set_len(len);
                    }
                }
                Change::Write { offset, bytes } => {
                    let kept = judge.kept_of_write(bytes.len());
                    // How much of the write lies inside the file.
                    let inside = usize::try_from(image.len().saturating_sub(offset))
                        .map_or(bytes.len(), |inside| inside.min(bytes.len()));
                    // And how far it may grow it: as far as it is kept without a gap.
                    let grown = kept.iter().find(|kept| kept.contains(&inside));
                    let end = grown.filter(|_| lengths_survive).map_or(inside, |kept| kept.end);
                    for kept in kept {
                        let kept = kept.start.min(end)..kept.end.min(end);
                        image.write(&bytes[kept.clone()], offset + kept.start as u64);
                    }
                    lengths_survive &= end == bytes.len();
                }
            }
        }
        (self.now, self.synced) = (image.clone(), image);
        self.handles = 0;
    }
}
