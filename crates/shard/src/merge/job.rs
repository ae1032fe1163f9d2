//! A merge under way, in steps of bounded work.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use varve_columnar::{SegmentBuilder, SegmentOptions, SegmentWriter, Step};
use varve_env::Disk;
use varve_types::ContentDigest;

use crate::files::Draft;
use crate::segment::SegmentHandle;
use crate::write::{Lineage, Unpublished, WriteError, build_error};
use crate::{MergeOptions, Stage};

/// A merge under way. Run its steps where blocking is allowed, with pauses as is fit, and hand
/// what [`MergeJob::finish`] gives to [`crate::Shard::swap_job`]. Dropped before, it removes what
/// it wrote.
#[must_use = "dropped, it has worked for nothing"]
pub struct MergeJob {
    inputs: Vec<Arc<SegmentHandle>>,
    lineage: Lineage,
    writer: SegmentWriter,
    draft: Option<Draft>,
    outputs: Vec<Arc<SegmentHandle>>,
    files: Unpublished,
    bytes: u64,
}

/// Segments that are whole and durable, and which ones they are to replace.
pub struct Merged {
    pub(super) inputs: Vec<Arc<SegmentHandle>>,
    pub(super) outputs: Vec<Arc<SegmentHandle>>,
    pub(super) files: Unpublished,
}

/// Why segments were not merged. They stay what they are.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Files could not be read or written.
    #[error("{0}; the segments that were to be merged stay what they are")]
    Write(#[from] WriteError),
    /// The rows written are not the rows read: memory was damaged, or this is a bug.
    #[error(
        "shard folder {dir}: merging {inputs:?} gave other rows than were in them (rows {written} of {read}, or their digest); they stay what they are: check this machine's memory, and report this",
        dir = dir.display()
    )]
    Differs {
        /// Of which shard.
        dir: PathBuf,
        /// The names of the segments.
        inputs: Vec<String>,
        /// Rows that were written.
        written: u64,
        /// Rows that were read.
        read: u64,
    },
    /// No two of the segments fit together.
    #[error(
        "shard folder {dir}: the attributes of {inputs:?} are too many columns for one segment; they stay apart, and searches read each: attributes named by values, such as ids, belong into the message",
        dir = dir.display()
    )]
    TooManyColumns {
        /// Of which shard.
        dir: PathBuf,
        /// The names of the segments.
        inputs: Vec<String>,
    },
    /// The shard's files were replaced meanwhile, by a copy from another replica.
    #[error("the segments that were merged are no longer the shard's")]
    Superseded,
}

impl MergeError {
    /// Whether the disk is full: then trying later makes sense.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Write(error) if error.is_disk_full())
    }
}

/// Where a job begins: the shard's folder, and a number for its files that no other work has.
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) number: u64,
}

impl MergeJob {
    /// Inputs that would make too many columns are left out, to be merged another time.
    pub(crate) fn begin(
        place: Place,
        candidates: Vec<Arc<SegmentHandle>>,
        stage: Stage,
        options: &MergeOptions,
    ) -> Result<Self, MergeError> {
        let is_final = stage == Stage::Final;
        let mut builder = SegmentBuilder::new(SegmentOptions {
            zstd_level: if is_final { options.final_zstd_level } else { options.zstd_level },
            loaded_bytes_max: options.loaded_bytes_max,
            segment_bytes_max: options.segment_bytes_max,
            separate_days: is_final,
        });
        let names = names_of(&candidates);
        let inputs: Vec<_> = candidates
            .into_iter()
            .filter(|input| builder.add_segment(input.segment()).is_ok())
            .collect();
        let too_few = if is_final { inputs.is_empty() } else { inputs.len() < 2 };
        let metas = || inputs.iter().map(|input| input.meta());
        let (Some(first_index), Some(last_index), false) = (
            metas().map(|meta| meta.first_index).min(),
            metas().map(|meta| meta.last_index).max(),
            too_few,
        ) else {
            return Err(MergeError::TooManyColumns { dir: place.dir, inputs: names });
        };
        let class = inputs[0].meta().class;
        let lineage = Lineage { class, stage, first_index, last_index };
        let files = Unpublished::new(place.disk, place.dir, place.number);
        let (writer, outputs) = (builder.begin(), Vec::new());
        Ok(Self { inputs, lineage, writer, draft: None, outputs, files, bytes: 0 })
    }

    /// Does a bounded piece of work, some tens of milliseconds. Answers how many bytes it wrote.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// An input is damaged or the disk refuses: the job is then of no use.
    ///
    /// # Panics
    ///
    /// When it is done: a bug of the caller.
    pub fn step(&mut self) -> Result<u64, MergeError> {
        assert!(!self.is_done(), "BUG: a merge went on after its end");
        let mut draft = match self.draft.take() {
            Some(draft) => draft,
            None => self.files.begin_segment(self.lineage.first_index)?,
        };
        let before = self.bytes;
        let mut sink = |bytes: &[u8]| -> io::Result<()> {
            self.bytes += bytes.len() as u64;
            draft.write(bytes)
        };
        let step = self.writer.step(&mut sink);
        match step.map_err(|error| build_error(draft.path(), error))? {
            Step::Wrote { .. } => self.draft = Some(draft),
            Step::Finished(summary) => {
                let segment = self.files.finish_segment(draft, &summary, self.lineage)?;
                self.outputs.push(segment);
            }
        }
        Ok(self.bytes - before)
    }

    /// Whether all is written.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.writer.is_done()
    }

    /// Bytes of the segments that are merged.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.meta().bytes).sum()
    }

    /// The names of the segments that are merged.
    #[must_use]
    pub fn input_names(&self) -> Vec<String> {
        names_of(&self.inputs)
    }

    /// Holds what was written against what was read.
    ///
    /// # Errors
    ///
    /// [`MergeError::Differs`]; the outputs are then removed.
    ///
    /// # Panics
    ///
    /// When it is not done: a bug of the caller.
    pub fn finish(self) -> Result<Merged, MergeError> {
        assert!(self.is_done(), "BUG: a merge was finished before its end");
        let (read, written) = (content_of(&self.inputs), content_of(&self.outputs));
        if read != written {
            return Err(MergeError::Differs {
                dir: self.files.dir().to_owned(),
                inputs: self.input_names(),
                written: written.0,
                read: read.0,
            });
        }
        Ok(Merged { inputs: self.inputs, outputs: self.outputs, files: self.files })
    }
}

impl Merged {
    /// Bytes of the segments that were written.
    #[must_use]
    pub fn output_bytes(&self) -> u64 {
        self.outputs.iter().map(|output| output.meta().bytes).sum()
    }
}

fn names_of(segments: &[Arc<SegmentHandle>]) -> Vec<String> {
    segments.iter().map(|segment| segment.meta().name.clone()).collect()
}

fn content_of(segments: &[Arc<SegmentHandle>]) -> (u64, ContentDigest) {
    segments.iter().fold((0, ContentDigest::EMPTY), |(rows, mut digest), segment| {
        digest += segment.meta().digest;
        (rows + segment.meta().rows, digest)
    })
}

impl std::fmt::Debug for MergeJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergeJob")
            .field("inputs", &self.input_names())
            .field("outputs", &self.outputs.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged")
            .field("inputs", &names_of(&self.inputs))
            .field("outputs", &names_of(&self.outputs))
            .finish_non_exhaustive()
    }
}
