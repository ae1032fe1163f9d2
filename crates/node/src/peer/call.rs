//! Requests on one connection that wait for their replies.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::assembly::Whole;
use super::outbox::{Flow, Outbox, Outgoing};

/// What a request came to: a reply, or the text of a refusal.
pub(super) type Answer = Result<Bytes, String>;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    pub(super) outbox: Outbox,
}

#[derive(Debug, Default)]
struct State {
    /// Why the connection ended, once it has.
    ended: Option<String>,
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

/// Waits for one reply. Dropped before it is there, it cancels the request.
pub(super) struct Call<'a> {
    calls: &'a Calls,
    flow: Flow,
    request: u64,
    reply: oneshot::Receiver<Answer>,
}

impl Calls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the connection ended, once it has.
    pub(super) fn ended(&self) -> Option<String> {
        self.state().ended.clone()
    }

    /// Queues a request. Messages of one group are one flow; others are alone.
    pub(super) fn begin(
        &self,
        flow: Option<Flow>,
        head: Bytes,
        body: Bytes,
    ) -> Result<Call<'_>, String> {
        let (sender, reply) = oneshot::channel();
        let mut state = self.state();
        if let Some(why) = &state.ended {
            return Err(why.clone());
        }
        state.last += 1;
        let request = state.last;
        let flow = flow.unwrap_or(Flow(request));
        state.waiting.insert(request, sender);
        // Under the lock, so that what is queued first has the lower number.
        self.outbox.push(flow, Outgoing { request, head, body, refused: false });
        Ok(Call { calls: self, flow, request, reply })
    }

    /// Hands a reply to whoever waits for it. Answers whether the request is one that was made.
    pub(super) fn answer(&self, whole: Whole) -> bool {
        let mut state = self.state();
        let waiting = state.waiting.remove(&whole.request);
        let was_made = whole.request <= state.last;
        drop(state);
        if let Some(waiting) = waiting {
            let Whole { body, refused, .. } = whole;
            let text = || String::from_utf8_lossy(&body).into_owned();
            // Whoever stopped waiting at this moment is not told.
            let _ = waiting.send(if refused { Err(text()) } else { Ok(body) });
        }
        was_made
    }

    /// Ends all of them: there is no connection any more. The first reason stays.
    pub(super) fn end(&self, why: &str) {
        let mut state = self.state();
        state.ended.get_or_insert_with(|| why.to_owned());
        state.waiting.clear();
        drop(state);
        self.outbox.close();
    }
}

impl Call<'_> {
    /// The answer; `Err` with the reason when the connection ended before.
    pub(super) async fn answer(&mut self) -> Result<Answer, String> {
        match (&mut self.reply).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.calls.ended().unwrap_or_default()),
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.calls.state().waiting.remove(&self.request).is_some() {
            self.calls.outbox.cancel(self.flow, self.request);
        }
    }
}
