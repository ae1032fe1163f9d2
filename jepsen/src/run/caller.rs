//! One process of a history: calls nodes one call at a time, and notes what it asked before and what
//! it was told after.

use std::time::Duration;

use crate::client::{HttpClient, Outcome, Payload, SdkClient, Targets};
use crate::history::{Action, Batch, Kind, Process, Recorder, Selection};

/// Of so many calls one goes over the SDK, the others over HTTP.
const SDK_OF: u64 = 3;

/// Calls, and notes it.
pub(super) struct Caller {
    run: u64,
    http: HttpClient,
    /// `None` for one that asks no other node by itself.
    sdk: Option<SdkClient>,
    recorder: Recorder,
    process: Process,
}

impl Caller {
    /// One that calls nodes itself, each call a node of its own.
    pub(super) fn plain(run: u64, targets: &Targets, wait: Duration, recorder: Recorder) -> Self {
        let (http, process) = (HttpClient::new(targets.clone(), wait, run), recorder.process());
        Self { run, http, sdk: None, recorder, process }
    }

    /// One that lets the SDK do some of its calls; it begins with another node than others do.
    pub(super) fn with_sdk(mut self, targets: &Targets, wait: Duration, number: u64) -> Self {
        self.sdk = Some(SdkClient::new(targets.clone(), number, wait, self.run));
        self
    }

    /// Somebody else, who calls nodes himself.
    pub(super) fn another(&self) -> Self {
        let (http, process) = (self.http.clone(), self.recorder.process());
        Self { run: self.run, http, sdk: None, recorder: self.recorder.clone(), process }
    }

    /// Sends a batch, and answers whether it was acknowledged. Any number says where and how.
    pub(super) async fn append(&mut self, batch: Batch, number: u64) -> bool {
        let payload = Payload::of(self.run, batch);
        let rows = payload.rows;
        let asked = Action::Append { batch, rows, places: Vec::new() };
        self.recorder.note(self.process, Kind::Invoke, asked.clone(), None);
        let outcome = match &mut self.sdk {
            Some(sdk) if number.is_multiple_of(SDK_OF) => sdk.append(&payload).await,
            _ => self.http.append(&payload, number).await,
        };
        self.ended(asked, outcome, |places| Action::Append { batch, rows, places })
    }

    /// Looks for rows, and answers whether there was an answer.
    pub(super) async fn search(&mut self, selection: Selection, number: u64) -> bool {
        let asked = Action::Read { selection, found: Vec::new() };
        self.recorder.note(self.process, Kind::Invoke, asked.clone(), None);
        let outcome = match &mut self.sdk {
            Some(sdk) if number.is_multiple_of(SDK_OF) => sdk.search(selection).await,
            _ => self.http.search(selection, number).await,
        };
        self.ended(asked, outcome, |found| Action::Read { selection, found })
    }

    /// Notes how a call ended, and answers whether it went well.
    fn ended<T>(
        &mut self,
        asked: Action,
        outcome: Outcome<T>,
        answer: impl FnOnce(T) -> Action,
    ) -> bool {
        let (kind, action, why) = match outcome {
            Outcome::Done(found) => (Kind::Ok, answer(found), None),
            Outcome::Refused(why) => (Kind::Fail, asked, Some(why)),
            Outcome::Unknown(why) => (Kind::Info, asked, Some(why)),
            Outcome::Wrong(why) => {
                self.recorder.note_wrong(why.clone());
                (Kind::Info, asked, Some(why))
            }
        };
        self.recorder.note(self.process, kind, action, why);
        // Whoever does not know what became of a call goes on as another.
        if kind == Kind::Info {
            self.process = self.recorder.process();
        }
        kind == Kind::Ok
    }
}
