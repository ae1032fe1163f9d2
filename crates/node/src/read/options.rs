//! How a question may be answered.

/// How a question may be answered. The default shows everything that was acknowledged before it
/// was asked, or fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadOptions {
    /// How new the answer must be.
    pub consistency: Consistency,
    /// Whether shards that nobody can serve may be left out: the answer then names them.
    pub partial: bool,
}

/// How new an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// It shows everything that was acknowledged before the question.
    #[default]
    Linearizable,
    /// It shows what the nearest replicas have, and asks no leader.
    Stale,
}
