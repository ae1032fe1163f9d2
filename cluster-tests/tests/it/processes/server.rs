//! A varve server as a process of its own, and a plain HTTP client to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A server that is running.
pub(super) struct Server {
    child: Child,
    http: String,
    grpc: String,
    peers: String,
    stderr: NamedTempFile,
}

/// An HTTP answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: String,
    pub retry_after: Option<String>,
    pub content_type: Option<String>,
    pub allow: Option<String>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error's code, message and hint in one line, for comparing and for reading.
    pub(super) fn error(&self) -> String {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or("(none)").to_owned();
        format!("{} {}: {} ({})", self.status, text("code"), text("message"), text("hint"))
    }
}

/// The binary under test: `VARVE_BIN`, or the one that cargo built beside this test.
pub(super) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("VARVE_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("this test has a path");
    let target = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let binary = target.join("varve");
    assert!(binary.is_file(), "{} is missing: cargo build -p varve-cli", binary.display());
    binary
}

pub(super) fn data_dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Sleeps for real: what is tested is another process.
pub(super) fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
    std::thread::sleep(duration);
}

/// The time of the real world.
pub(super) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
    Instant::now()
}

impl Server {
    /// Starts a server on free ports, and waits until it says that it is ready.
    pub(super) fn start(dir: &Path, flags: &[&str]) -> Self {
        Self::try_start(dir, flags).unwrap_or_else(|stderr| panic!("no start:\n{stderr}"))
    }

    /// Starts a server; what it wrote to standard error when it ended instead.
    pub(super) fn try_start(dir: &Path, flags: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(binary());
        command.arg("server").arg("--data-dir").arg(dir);
        Self::spawn(command, flags)
    }

    /// Starts what `command` starts, which must end up as `varve server`.
    pub(super) fn spawn(mut command: Command, flags: &[&str]) -> Result<Self, String> {
        let stderr = NamedTempFile::new().expect("a temporary file");
        let mut child = command
            .env_remove("VARVE_BIN")
            .args(
                ["--listen-http", "--listen-grpc", "--listen-peer"]
                    .map(|listen| {
                        // A port of the test's own choice, or a free one.
                        if flags.contains(&listen) { None } else { Some([listen, "127.0.0.1:0"]) }
                    })
                    .into_iter()
                    .flatten()
                    .flatten(),
            )
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.reopen().expect("reopens"))
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut address = |name: &str| {
            lines.by_ref().map_while(Result::ok).find_map(|line| {
                let rest = line.trim().strip_prefix(name)?.trim();
                Some(rest.split_whitespace().next()?.to_owned())
            })
        };
        let addresses = (address("HTTP"), address("gRPC"), address("Peers"));
        if let (Some(http), Some(grpc), Some(peers)) = addresses {
            return Ok(Self { child, http, grpc, peers, stderr });
        }
        let _ = child.wait();
        Err(text_of(&stderr))
    }

    /// What it wrote to standard error so far.
    pub(super) fn said(&self) -> String {
        text_of(&self.stderr)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub(super) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        let _ = self.child.wait();
    }

    /// SIGTERM, and whether it ended well.
    pub(super) fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().expect("it ends").success(), "it ends with success on SIGTERM");
    }

    /// Waits until it ends by itself, which must be with a failure; answers what it said.
    pub(super) fn wait_for_end(mut self) -> String {
        let begun = now();
        loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => {
                    assert!(!status.success(), "it failed");
                    return self.said();
                }
                None if begun.elapsed() > ANSWER_LIMIT => panic!("still there:\n{}", self.said()),
                None => pause(Duration::from_millis(50)),
            }
        }
    }

    pub(super) fn get(&self, path_and_query: &str) -> Answer {
        self.try_get(path_and_query).expect("the server answers")
    }

    pub(super) fn try_get(&self, path_and_query: &str) -> Result<Answer, ureq::Error> {
        try_get(&self.http, path_and_query, ANSWER_LIMIT)
    }

    pub(super) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        post_to(&self.http, path, headers, body).expect("the server answers")
    }

    /// A request of any method, without a body.
    pub(super) fn request(&self, method: &str, path: &str) -> Answer {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.http))
            .body(())
            .expect("a request");
        answer(agent(ANSWER_LIMIT).run(request).expect("the server answers"))
            .expect("a whole answer")
    }

    pub(super) fn http(&self) -> &str {
        &self.http
    }

    /// The URL of its gRPC services.
    pub(super) fn grpc(&self) -> &str {
        &self.grpc
    }

    /// `ADDRESS:PORT` where it listens for other nodes.
    pub(super) fn peers(&self) -> &str {
        &self.peers
    }

    /// Has it stand still, or go on: nobody is told, and connections stay.
    pub(super) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The exact number of records that a search finds. `query` is already encoded for a URL.
    pub(super) fn total(&self, query: &str) -> u64 {
        let answer = self.get(&format!("/api/v1/logs/search?page_size=1&{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["total"].as_u64().expect("a total")
    }

    /// Every record that a search finds, oldest first.
    pub(super) fn all(&self, query: &str) -> Vec<Value> {
        let mut logs = Vec::new();
        for page in 1.. {
            let path =
                format!("/api/v1/logs/search?order=oldest&page_size=10000&page={page}&{query}");
            let answer = self.get(&path);
            assert_eq!(answer.status, 200, "{answer:?}");
            let mut answer = answer.json();
            let page = answer["logs"].as_array_mut().expect("an array");
            if page.is_empty() {
                break;
            }
            logs.append(page);
        }
        logs
    }

    /// Runs a subcommand of the binary against this server.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        let command = command.args(arguments).args(["--endpoint", &self.grpc]);
        command.env_remove("VARVE_BIN").stdin(Stdio::null()).output().expect("the binary runs")
    }
}

fn text_of(file: &NamedTempFile) -> String {
    std::fs::read_to_string(file.path()).expect("readable")
}

/// A server that a failed test leaves behind is ended with it.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a server that may be down, for at most so long.
pub(super) fn try_get(http: &str, path: &str, limit: Duration) -> Result<Answer, ureq::Error> {
    answer(agent(limit).get(format!("{http}{path}")).call()?)
}

pub(super) fn post_to(
    http: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    try_post(http, path, headers, body, ANSWER_LIMIT)
}

/// The same, with a limit of its own.
pub(super) fn try_post(
    http: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    limit: Duration,
) -> Result<Answer, ureq::Error> {
    let mut request = agent(limit).post(format!("{http}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.send(body)?)
}

fn agent(limit: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(limit))
        .build();
    config.into()
}

fn answer(response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let [retry_after, content_type, allow] = ["retry-after", "content-type", "allow"].map(header);
    let status = response.status().as_u16();
    let body = response.into_body().with_config().limit(1 << 30).read_to_string()?;
    Ok(Answer { status, body, retry_after, content_type, allow })
}

/// One metric, by its name with labels.
pub(super) fn metric(metrics: &Answer, name: &str) -> u64 {
    let value = metrics.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}")).parse().expect("a whole number")
}

/// A text as a value in a URL's query.
pub(super) fn encoded(text: &[u8]) -> String {
    form_urlencoded::byte_serialize(text).collect()
}
