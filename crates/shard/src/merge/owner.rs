//! What the shard's owner does about merges: gives segments to a job, and swaps its results in.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::merge::job::Place;
use crate::merge::{MergeError, MergeJob, Merged, SwapJob, Swapped, choose, swap, waiting};
use crate::{SegmentMeta, Shard};

impl Shard {
    /// Takes the segments that are to be merged next; `None` when there are none. Those named in
    /// `set_aside` are left alone. `closed` says that the shard will never change again: then all
    /// of it is merged for good. Applying and flushing go on meanwhile. One merge at a time is
    /// the caller's to see to.
    ///
    /// # Errors
    ///
    /// [`MergeError::TooManyColumns`].
    pub fn merge_job(
        &mut self,
        closed: bool,
        set_aside: &BTreeSet<String>,
    ) -> Result<Option<MergeJob>, MergeError> {
        let Some(manifest) = self.manifest.clone() else { return Ok(None) };
        let offered = manifest.segments.iter().filter(|segment| !set_aside.contains(&segment.name));
        let Some(choice) = choose(offered, &self.options.merge, closed) else { return Ok(None) };
        let segments = self.reader.look(|view| Arc::clone(&view.segments));
        let open = |meta: &&SegmentMeta| {
            let open = segments.iter().find(|segment| segment.meta().name == meta.name);
            Arc::clone(open.expect("BUG: a segment of the manifest is not in the view"))
        };
        let inputs = choice.inputs.iter().map(open).collect();
        let place = Place {
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
            number: self.next_number(),
        };
        MergeJob::begin(place, inputs, choice.stage, &self.options.merge).map(Some)
    }

    /// How many segments wait to be merged.
    #[must_use]
    pub fn merges_waiting(&self, closed: bool) -> usize {
        self.manifest
            .as_ref()
            .map_or(0, |manifest| waiting(&manifest.segments, &self.options.merge, closed))
    }

    /// Takes what a merge wrote, to replace the manifest.
    ///
    /// # Errors
    ///
    /// [`MergeError::Superseded`] when the inputs are no longer the shard's.
    ///
    /// # Panics
    ///
    /// While a flush is under way: a bug of the caller.
    pub fn swap_job(&mut self, merged: Merged) -> Result<SwapJob, MergeError> {
        assert!(!self.replacing, "BUG: shard {}: a merge ends during a flush", self.shard());
        let base = self.manifest.clone().ok_or(MergeError::Superseded)?;
        let number = self.next_number();
        let job = SwapJob::new(&self.dir, base, number, merged)?;
        self.replacing = true;
        Ok(job)
    }

    /// Takes in what a swap came to. In one step the inputs leave the view and the outputs come,
    /// so that a reader sees each row once.
    ///
    /// # Errors
    ///
    /// The swap's own error, after which all is as it was.
    pub fn finish_swap(&mut self, result: Result<Swapped, MergeError>) -> Result<(), MergeError> {
        self.replacing = false;
        let Swapped { manifest, inputs, outputs } = result?;
        let replaced = self.reader.change(|view| {
            let mut segments = Vec::clone(&view.segments);
            let is_input =
                |segment: &Arc<_>| inputs.iter().any(|input| Arc::ptr_eq(input, segment));
            let replaced = swap::replace(&mut segments, is_input, inputs.len(), outputs);
            view.segments = Arc::new(segments);
            replaced
        });
        assert!(replaced, "BUG: shard {}: merged segments are not in the view", self.shard());
        self.manifest = Some(manifest);
        Ok(())
    }
}
