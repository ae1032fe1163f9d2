//! One run: starts a cluster or takes one by its addresses, has clients work while the nemesis brings
//! one fault after the other, looks at everything in the end, and has the checkers judge.

mod caller;
mod conductor;
mod ending;
mod options;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

pub use conductor::{Brought, Tally};
pub use options::{Nodes, Options};

use crate::Failure;
use crate::checker::{self, Limits, Verdict};
use crate::client::Targets;
use crate::db::Cluster;
use crate::generator::{Generator, Producers};
use crate::history::{History, Recorder};
use crate::nemesis::{Entry, Machine, Nemesis, Plugin, chosen, faults_of};
use caller::Caller;
use worker::Worker;

/// What no client asks for, so that its checker has nothing to say: nodes show the settings of the
/// cluster as each knows them, and promise no more of them than that.
pub const NOT_ASKED: [&str; 1] = ["registers"];

/// Before the first fault the clients work so long undisturbed.
const UNDISTURBED: Duration = Duration::from_secs(3);

/// How long clients wait for an answer.
const PATIENT: Duration = Duration::from_secs(2);
const IMPATIENT: Duration = Duration::from_secs(1);
const IMPATIENT_CLIENTS: u64 = 2;
const IMPATIENT_PACE: Duration = Duration::from_millis(200);

/// A fault with its name.
type Named = (String, Box<dyn Nemesis>);

/// All that a run brought to light.
#[derive(Debug)]
pub struct Ran {
    /// What happened.
    pub history: History,
    /// What the checkers say of it.
    pub verdicts: Vec<Verdict>,
    /// Faults by name, with what became of them.
    pub faults: Brought,
    /// What is wrong and no checker sees: nodes that ended by themselves, answers that make no
    /// sense, a cluster that did not become whole.
    pub problems: Vec<String>,
}

impl Ran {
    /// Whether every promise that was asked for was kept, and every fault that can be brought here
    /// was seen.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
            && self.verdicts.iter().all(is_kept)
            && self.faults.values().all(Tally::is_seen)
    }
}

/// Whether a promise was kept, or was not asked for.
#[must_use]
pub fn is_kept(verdict: &Verdict) -> bool {
    let is_asked = !NOT_ASKED.contains(&verdict.checker);
    verdict.is_valid() || (!is_asked && verdict.findings.is_empty())
}

/// Runs it.
///
/// # Errors
///
/// Something of the harness itself failed: nothing is known of the cluster.
pub fn run(options: &Options) -> Result<Ran, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut brought = Brought::new();
    let mut faults = faults(options, &mut brought)?;
    let targets = Targets::default();
    let mut cluster = cluster(options, &targets, runtime.handle())?;
    let recorder = Recorder::begin();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut problems = std::thread::scope(|scope| -> Result<Vec<String>, Failure> {
        let clients = scope.spawn(|| work(options, &targets, &recorder, &is_over));
        std::thread::sleep(UNDISTURBED);
        let problems =
            conductor::conduct(options, &mut cluster, &mut faults, &recorder, &mut brought);
        is_over.store(true, Ordering::Relaxed);
        clients.join().map_err(|_| "BUG: a client panicked")??;
        Ok(problems)
    })?;
    problems.extend(ending::end(&cluster, &recorder, runtime.handle(), options.run_number()));
    problems.extend(cluster.complaints());
    let (history, wrong) = recorder.so_far();
    problems.extend(wrong);
    let verdicts = checker::check(&history, &Limits::default())
        .map_err(|error| format!("BUG: what was recorded is no history: {error}"))?;
    Ok(Ran { history, verdicts, faults: brought, problems })
}

/// The faults of the run. What cannot be brought here is noted with why.
fn faults(options: &Options, brought: &mut Brought) -> Result<Vec<Named>, Failure> {
    let machine = Machine::probe(matches!(options.nodes, Nodes::Own(_)));
    let mut faults: Vec<Named> = Vec::new();
    for entry in chosen(&options.nemeses)? {
        let Entry { name, make, .. } = entry;
        match (entry.why_not(&machine), make) {
            (None, Some(make)) => faults.push(((*name).to_owned(), make())),
            (why, _) => {
                let why = why.unwrap_or_default();
                brought.entry((*name).to_owned()).or_default().never = Some(why);
            }
        }
    }
    if let Some(program) = &options.plugin {
        for fault in faults_of(program)? {
            faults.push((fault.clone(), Box::new(Plugin::new(program.clone(), fault))));
        }
    }
    for (name, _) in &faults {
        brought.entry(name.clone()).or_default();
    }
    Ok(faults)
}

fn cluster(options: &Options, targets: &Targets, runtime: &Handle) -> Result<Cluster, Failure> {
    match &options.nodes {
        Nodes::Own(own) => Cluster::start(own, targets.clone(), runtime.clone()),
        Nodes::Others(others) => {
            targets.set(others.clone());
            Ok(Cluster::of_others(targets.clone(), runtime.clone()))
        }
    }
}

/// Clients that do the run's rate together, and a few that are less patient: they tell soon when a
/// cluster answers again, whatever the others still wait for. All of them work on one thread.
fn work(
    options: &Options,
    targets: &Targets,
    recorder: &Recorder,
    is_over: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let producers = Producers::default();
    let run = options.run_number();
    let pace = Duration::from_secs_f64(options.clients as f64 / options.rate.max(1) as f64);
    let worker = |number: u64| {
        let is_patient = number < options.clients;
        let (wait, pace) = if is_patient { (PATIENT, pace) } else { (IMPATIENT, IMPATIENT_PACE) };
        let generator = Generator::new(options.seed, number, producers.clone(), pace);
        let caller = Caller::plain(run, targets, wait, recorder.clone());
        let caller = if is_patient { caller.with_sdk(targets, wait, number) } else { caller };
        tokio::task::spawn_local(Worker::new(generator, caller, Arc::clone(is_over)).work())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let workers: Vec<_> = (0..options.clients + IMPATIENT_CLIENTS).map(worker).collect();
        for worker in workers {
            worker.await?;
        }
        Ok(())
    })
}
