//! The short step that makes a merge count: a manifest in which its outputs stand for its inputs.

use std::path::Path;
use std::sync::Arc;

use crate::manifest::Manifest;
use crate::merge::{MergeError, Merged};
use crate::segment::SegmentHandle;

/// A manifest that is to replace the one there is. While it runs, no flush may.
#[must_use = "the shard waits for its result"]
pub struct SwapJob {
    base: Arc<Manifest>,
    manifest: Manifest,
    merged: Merged,
}

/// What a swap made durable.
#[derive(Debug)]
pub struct Swapped {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) inputs: Vec<Arc<SegmentHandle>>,
    pub(crate) outputs: Vec<Arc<SegmentHandle>>,
}

impl SwapJob {
    /// A swap in the manifest as it is now. The number of the manifest is not that of the files:
    /// others were written meanwhile.
    pub(crate) fn new(
        dir: &Path,
        base: Arc<Manifest>,
        number: u64,
        merged: Merged,
    ) -> Result<Self, MergeError> {
        if merged.files.dir() != dir {
            return Err(MergeError::Superseded);
        }
        let mut manifest = Manifest::clone(&base);
        manifest.version = number;
        let outputs = merged.outputs.iter().map(|output| output.meta().clone()).collect();
        let is_input =
            |meta: &crate::SegmentMeta| merged.inputs.iter().any(|input| input.meta() == meta);
        if !replace(&mut manifest.segments, is_input, merged.inputs.len(), outputs) {
            return Err(MergeError::Superseded);
        }
        Ok(Self { base, manifest, merged })
    }

    /// Replaces the manifest and removes the inputs' files. Blocks, briefly.
    ///
    /// # Errors
    ///
    /// The disk refused.
    pub fn run(self) -> Result<Swapped, MergeError> {
        let Merged { inputs, outputs, files } = self.merged;
        files.publish(&self.manifest, Some(&self.base))?;
        Ok(Swapped { manifest: Arc::new(self.manifest), inputs, outputs })
    }
}

/// Puts `outputs` where the first input is, and takes the inputs out. Answers whether all of them
/// were there; nothing is changed when not.
pub(crate) fn replace<T>(
    all: &mut Vec<T>,
    is_input: impl Fn(&T) -> bool,
    inputs: usize,
    outputs: Vec<T>,
) -> bool {
    if all.iter().filter(|one| is_input(one)).count() != inputs {
        return false;
    }
    let Some(at) = all.iter().position(&is_input) else { return false };
    all.retain(|one| !is_input(one));
    all.splice(at..at, outputs);
    true
}

impl std::fmt::Debug for SwapJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SwapJob")
            .field("version", &self.manifest.version)
            .field("merged", &self.merged)
            .finish_non_exhaustive()
    }
}
