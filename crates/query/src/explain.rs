//! What a search did, step by step, so that a slow one can be understood.
//!
//! | step | rules out by |
//! |---|---|
//! | range | the times that the footer gives |
//! | event hours | the hours in which a segment has rows |
//! | zone map | the services, levels and tenants that the footer lists |
//! | bitmap | the rows that services, levels, tenants and resources have |
//! | roll-up | the counts of services and levels per hour |
//! | filter | the words that row groups have |
//! | count | a number known without reading the rows, for which the page has no room |
//! | page | the page being full, for a search that wants no total |

/// What a search did. What its steps ruled out was answered without reading a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explain {
    /// The steps that had something to look at, in the order in which they ran.
    pub steps: Vec<ExplainStep>,
    /// Pages read, decompressed and decoded, those of the answer included.
    pub pages_read: u64,
    /// Bytes of those pages, as stored.
    pub bytes_read: u64,
    /// Rows in the row groups of which a page was read for filtering or counting.
    pub rows_scanned: u64,
    /// Rows that matched in the row groups that were not ruled out by the page.
    pub rows_matched: u64,
}

/// One step of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExplainStep {
    /// The step.
    pub name: &'static str,
    /// What it looked at.
    pub unit: &'static str,
    /// How many of them.
    pub considered: u64,
    /// How many it ruled out.
    pub pruned: u64,
}

/// The steps, in the order in which they run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    ChunkRange,
    ChunkHours,
    ChunkZone,
    GroupRange,
    GroupZone,
    GroupBitmap,
    GroupRollup,
    GroupFilter,
    GroupCount,
    GroupPage,
}

/// Their names and units.
const STEPS: [(&str, &str); 10] = [
    ("range", "chunks"),
    ("event hours", "chunks"),
    ("zone map", "chunks"),
    ("range", "row groups"),
    ("zone map", "row groups"),
    ("bitmap", "row groups"),
    ("roll-up", "row groups"),
    ("filter", "row groups"),
    ("count", "row groups"),
    ("page", "row groups"),
];

/// What one worker did, or one part of all chunks took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// By step: how many were looked at, and how many of them ruled out.
    pub(crate) steps: [(u64, u64); STEPS.len()],
    pub(crate) pages_read: u64,
    pub(crate) bytes_read: u64,
    pub(crate) rows_scanned: u64,
    pub(crate) rows_matched: u64,
}

impl Tally {
    /// Notes that a step looked at something, and whether that stays.
    pub(crate) const fn stays(&mut self, step: Step, stays: bool) -> bool {
        self.prune(step, 1, !stays as u64);
        stays
    }

    /// Notes that a step looked at several things and ruled out some.
    pub(crate) const fn prune(&mut self, step: Step, considered: u64, pruned: u64) {
        let counts = &mut self.steps[step as usize];
        counts.0 += considered;
        counts.1 += pruned;
    }

    /// Adds what another worker did.
    pub(crate) fn add(&mut self, other: &Self) {
        // What a peer says may be any number.
        let add = |mine: &mut u64, theirs: u64| *mine = mine.saturating_add(theirs);
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            add(&mut mine.0, theirs.0);
            add(&mut mine.1, theirs.1);
        }
        add(&mut self.pages_read, other.pages_read);
        add(&mut self.bytes_read, other.bytes_read);
        add(&mut self.rows_scanned, other.rows_scanned);
        add(&mut self.rows_matched, other.rows_matched);
    }

    /// As it is told.
    pub(crate) fn explain(&self) -> Explain {
        let step = |(&(name, unit), &(considered, pruned))| {
            (considered > 0).then_some(ExplainStep { name, unit, considered, pruned })
        };
        Explain {
            steps: STEPS.iter().zip(&self.steps).filter_map(step).collect(),
            pages_read: self.pages_read,
            bytes_read: self.bytes_read,
            rows_scanned: self.rows_scanned,
            rows_matched: self.rows_matched,
        }
    }
}
