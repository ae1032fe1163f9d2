//! The task behind a sender: connections, time limits, and nothing to decide that
//! [`super::window`] does not.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use varve_proto::v1;
use varve_types::{Sequence, limits};

use super::Submission;
use super::window::{Settled, Window};
use crate::backoff::{Backoff, RetryPolicy};
use crate::client::Client;
use crate::error::{AppendError, Refusal, is_transient, root_cause};

/// Every batch of the window is at most once in the channel to the connection.
const CHANNEL_REQUESTS: usize = limits::PRODUCER_WINDOW as usize;

/// Why a connection is no longer used.
enum End {
    /// Everything is answered, and no more will come.
    Finished,
    /// It broke, or stays silent.
    Lost { why: String, asked: Option<Duration> },
    /// The server takes no appends at all from us.
    Refused(Refusal),
}

struct Driver {
    client: Client,
    policy: RetryPolicy,
    submissions: mpsc::Receiver<Submission>,
    window: Window,
    /// When a batch last got its result, or the first began to wait for it.
    progress: Instant,
    /// Whether the sender may submit more.
    open: bool,
}

pub(super) async fn run(
    client: Client,
    submissions: mpsc::Receiver<Submission>,
    failed: Arc<OnceLock<Sequence>>,
) {
    let policy = client.policy();
    let window = Window::new(policy);
    let progress = Instant::now();
    let mut driver = Driver { client, policy, submissions, window, progress, open: true };
    driver.drive().await;
    if let Some(sequence) = driver.window.failed() {
        // First the name of the culprit, then the closed channel that makes senders ask for it.
        let _ = failed.set(sequence);
        driver.submissions.close();
        while let Some(submission) = driver.submissions.recv().await {
            let _ = submission.answer.send(Err(AppendError::Stopped { sequence }));
        }
    }
}

impl Driver {
    async fn drive(&mut self) {
        let mut backoff = Backoff::new(self.policy);
        loop {
            if self.window.is_empty() {
                match self.submissions.recv().await {
                    Some(submission) => self.admit(submission),
                    None => return,
                }
            }
            let before = self.progress;
            let (why, asked) = match self.connection().await {
                End::Finished => return,
                End::Refused(refusal) => return self.window.fail_all(&refusal.into()),
                End::Lost { why, asked } => (why, asked),
            };
            self.window.disconnected();
            if self.window.is_empty() {
                continue;
            }
            if self.progress > before {
                backoff.reset();
            }
            let wait = backoff.next_wait(asked);
            tracing::debug!(%why, ?wait, "lost the connection to {}", self.client.endpoint());
            if Instant::now() + wait > self.progress + self.policy.patience {
                let endpoint = self.client.endpoint().to_owned();
                let patience = self.policy.patience;
                return self.window.fail_all(&AppendError::GaveUp {
                    endpoint,
                    patience,
                    last: why,
                });
            }
            sleep(wait).await;
        }
    }

    fn admit(&mut self, submission: Submission) {
        if self.window.is_empty() {
            self.progress = Instant::now();
        }
        self.window.admit(submission);
    }

    /// One connection, from its first batch to its end.
    async fn connection(&mut self) -> End {
        let (requests, receiver) = mpsc::channel(CHANNEL_REQUESTS);
        self.send_due(&requests);
        let place = self.client.endpoints().current().clone();
        let mut logs = self.client.logs(&place);
        let opening = logs.append_stream(ReceiverStream::new(receiver));
        let end = match timeout(self.policy.answer_timeout, opening).await {
            Ok(Ok(answer)) => self.exchange(&requests, &mut answer.into_inner()).await,
            Ok(Err(status)) => Self::ended_by(&status),
            Err(_) => Self::silent(self.policy.answer_timeout),
        };
        if matches!(end, End::Lost { .. }) {
            self.client.endpoints().leave(&place);
        }
        end
    }

    async fn exchange(
        &mut self,
        requests: &mpsc::Sender<v1::AppendRequest>,
        answers: &mut Streaming<v1::AppendStreamResponse>,
    ) -> End {
        let mut heard = Instant::now();
        let mut last = None;
        loop {
            let closed = !self.open || self.window.failed().is_some();
            if self.window.is_empty() && closed {
                return End::Finished;
            }
            let (retry, waits) = at(self.window.next_retry());
            let (silence, awaits) =
                at(self.window.awaits_answer().then(|| heard + self.policy.answer_timeout));
            let (end, pending) =
                at((!self.window.is_empty()).then(|| self.progress + self.policy.patience));
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        heard = Instant::now();
                        match self.window.answer(answer, heard) {
                            Settled::Done => self.progress = heard,
                            Settled::Again { why, elsewhere } => {
                                if elsewhere && self.client.endpoints().count() > 1 {
                                    return End::Lost { why, asked: None };
                                }
                                last = Some(why);
                            }
                            Settled::Stray => {}
                        }
                    }
                    Ok(None) => {
                        let why = "the server ended the stream".to_owned();
                        return End::Lost { why, asked: None };
                    }
                    Err(status) => return Self::ended_by(&status),
                },
                submission = self.submissions.recv(), if !closed && self.window.has_room() => {
                    match submission {
                        Some(submission) => {
                            if !self.window.awaits_answer() {
                                heard = Instant::now();
                            }
                            self.admit(submission);
                            self.send_due(requests);
                        }
                        None => self.open = false,
                    }
                }
                () = sleep_until(retry), if waits => {
                    if !self.window.awaits_answer() {
                        heard = Instant::now();
                    }
                    self.send_due(requests);
                }
                () = sleep_until(silence), if awaits => {
                    return Self::silent(self.policy.answer_timeout);
                }
                () = sleep_until(end), if pending => {
                    let why = last.unwrap_or_else(|| "no answer".to_owned());
                    return End::Lost { why, asked: None };
                }
            }
        }
    }

    fn send_due(&mut self, requests: &mpsc::Sender<v1::AppendRequest>) {
        for request in self.window.take_due(Instant::now()) {
            // Never full: a batch goes in again only after its answer, so after it came out. When
            // it is closed the connection is gone, and its end is about to be heard of.
            let _ = requests.try_send(request);
        }
    }

    fn ended_by(status: &Status) -> End {
        let refusal = Refusal::of_status(status);
        if is_transient(status) {
            return End::Lost { why: root_cause(status), asked: refusal.retry_after };
        }
        End::Refused(refusal)
    }

    fn silent(limit: Duration) -> End {
        End::Lost { why: format!("no answer for {} s", limit.as_secs()), asked: None }
    }
}

/// A time to sleep until and whether to: `select!` wants a time even where there is none.
fn at(time: Option<Instant>) -> (Instant, bool) {
    (time.unwrap_or_else(Instant::now), time.is_some())
}
