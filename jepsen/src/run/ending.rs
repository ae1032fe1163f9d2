//! The end of a run: no faults and no clients any more; everything is read from every node, and all
//! copies are compared.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use varve_client::v1::VerifyResponse;

use crate::client::{HttpClient, Outcome, Targets};
use crate::db::Cluster;
use crate::history::{Action, Kind, Recorder, ReplicaState, Selection};

/// How long a cluster that nobody disturbs may take until it is whole.
const WHOLE_MAX: Duration = Duration::from_secs(120);
/// How long it may take until a node shows everything.
const READ_MAX: Duration = Duration::from_secs(60);
/// How long it may take until copies of closed shards have their final files, which are alike.
const ALIKE_MAX: Duration = Duration::from_secs(120);

const ANSWER_MAX: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Looks at everything, and answers what is wrong that no checker sees.
pub(super) fn end(
    cluster: &Cluster,
    recorder: &Recorder,
    runtime: &Handle,
    run: u64,
) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = cluster.wait_until_whole(WHOLE_MAX) {
        problems.push(format!("in the end: {error}"));
    }
    for target in cluster.targets().all() {
        let one = Targets::default();
        one.set(vec![target.clone()]);
        let client = HttpClient::new(one, ANSWER_MAX, run);
        if !runtime.block_on(read_all(&client, recorder)) {
            problems.push(format!("{} does not show everything in the end", target.http));
        }
    }
    problems.extend(compare(cluster, recorder));
    problems
}

/// Whether there was an answer.
async fn read_all(client: &HttpClient, recorder: &Recorder) -> bool {
    let (begun, process, selection) = (Instant::now(), recorder.process(), Selection::All);
    while begun.elapsed() < READ_MAX {
        let asked = Action::Read { selection, found: Vec::new() };
        recorder.note(process, Kind::Invoke, asked.clone(), None);
        let why = match client.search(selection, 0).await {
            Outcome::Done(found) => {
                recorder.note(process, Kind::Ok, Action::Read { selection, found }, None);
                return true;
            }
            Outcome::Wrong(why) => {
                recorder.note_wrong(why.clone());
                why
            }
            Outcome::Refused(why) | Outcome::Unknown(why) => why,
        };
        recorder.note(process, Kind::Fail, asked, Some(why));
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    false
}

/// Has all copies read again and compared, until they are as they should be or it takes too long.
fn compare(cluster: &Cluster, recorder: &Recorder) -> Vec<String> {
    let process = recorder.process();
    recorder.note(process, Kind::Invoke, Action::Replicas(Vec::new()), None);
    let begun = Instant::now();
    loop {
        let found = cluster.verify();
        let is_late = begun.elapsed() > ALIKE_MAX;
        match found {
            Ok(copies) if is_late || copies.iter().all(|copy| is_final(copy, &copies)) => {
                let states = copies.iter().map(state).collect();
                recorder.note(process, Kind::Ok, Action::Replicas(states), None);
                let bad = copies.iter().filter(|copy| !copy.ok);
                return bad.map(|copy| format!("a copy is not good: {copy:?}")).collect();
            }
            Err(error) if is_late => {
                let why = Some(error.to_string());
                recorder.note(process, Kind::Fail, Action::Replicas(Vec::new()), why);
                return vec![format!("copies are not compared: {error}")];
            }
            Ok(_) | Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Whether a copy is good and has the files that all copies are to have: final files come later.
fn is_final(copy: &VerifyResponse, copies: &[VerifyResponse]) -> bool {
    let is_other = |other: &&VerifyResponse| {
        let is_closed = copy.applied_index.is_none() && other.applied_index.is_none();
        is_closed && other.shard == copy.shard && other.files_digest != copy.files_digest
    };
    copy.ok && !copies.iter().any(|other| is_other(&other))
}

fn state(copy: &VerifyResponse) -> ReplicaState {
    ReplicaState {
        shard: copy.shard,
        node: copy.node_id,
        applied: copy.applied_index,
        rows: copy.rows,
        content: copy.content_digest.clone(),
        // While a shard is open each replica has its own.
        files: copy.applied_index.is_none().then(|| copy.files_digest.clone()),
    }
}
