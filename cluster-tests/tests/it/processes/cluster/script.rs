//! `deploy/cluster.sh`: what it says can be done with three nodes can be done, and Ctrl-C stops them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::server::{Answer, binary, data_dir, now, pause, try_get, try_post};
use super::network::{in_own_network, networks};

const LIMIT: Duration = Duration::from_secs(90);
/// Where the script has its nodes listen.
const HTTP: [&str; 3] = ["http://127.0.0.1:9430", "http://127.0.0.1:9440", "http://127.0.0.1:9450"];

/// The script under way, and all that it has written.
struct Script {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Script {
    fn start(data: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/cluster.sh");
        let mut child = Command::new("bash")
            .arg(script)
            .args([&binary(), data])
            .env_remove("VARVE_BIN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = Arc::<Mutex<String>>::default();
        let noting = Arc::clone(&said);
        #[expect(clippy::disallowed_methods, reason = "it reads what a real process writes")]
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *noting.lock().expect("no panic") += &(line + "\n");
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    fn wait_for(&self, words: &str) {
        let begun = now();
        while !self.said().contains(words) {
            assert!(begun.elapsed() < LIMIT, "never said {words:?}:\n{}", self.said());
            pause(Duration::from_millis(50));
        }
    }

    /// Ctrl-C, after which it must end well.
    fn interrupt(mut self) -> String {
        signal("-INT", &self.child.id().to_string());
        assert!(self.child.wait().expect("it ends").success(), "{}", self.said());
        self.wait_for("stopped; the data is in");
        self.said()
    }
}

fn signal(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().expect("kill runs").success());
}

/// A client of all three nodes: the next is asked where one is down.
fn first_to_answer(ask: impl Fn(&str) -> Result<Answer, ureq::Error>) -> Answer {
    let begun = now();
    loop {
        let answers = HTTP.iter().filter_map(|http| ask(http).ok());
        if let Some(answer) = answers.into_iter().find(|answer| answer.status == 200) {
            return answer;
        }
        assert!(begun.elapsed() < LIMIT, "no node answers");
        pause(Duration::from_millis(100));
    }
}

fn send(number: u64) {
    let body = format!(r#"{{"service":"numbers","message":"{number}"}}"#);
    let key = format!("script:0:{number}");
    let headers = [("Idempotency-Key", key.as_str())];
    first_to_answer(|http| try_post(http, "/api/v1/logs", &headers, body.as_bytes(), LIMIT));
}

fn total(http: &str) -> u64 {
    let ask = |_: &str| try_get(http, "/api/v1/logs/search?page_size=1", LIMIT);
    first_to_answer(ask).json()["total"].as_u64().expect("a total")
}

#[test]
fn three_nodes_start_with_one_command_lose_nothing_when_one_is_killed_and_stop_with_ctrl_c() {
    let name =
        "three_nodes_start_with_one_command_lose_nothing_when_one_is_killed_and_stop_with_ctrl_c";
    let (_, module) = module_path!().split_once("::").expect("a module of a test program");
    // The ports are fixed: in a network of its own nobody else has them.
    in_own_network(&format!("{module}::{name}"), || {
        networks(0);
        let dir = data_dir();
        let script = Script::start(dir.path());
        script.wait_for("Ctrl-C stops them.");
        let said = script.said();
        let line = |begin: &str| {
            let lines = said.lines().map(str::trim);
            lines.filter_map(|line| line.strip_prefix(begin)).next_back().expect("a line")
        };
        let pid = line("kill -9 ").split(' ').next().expect("a process").to_owned();
        let start_again = format!("server {}", line(&format!("{} server ", binary().display())));
        (1..=10).for_each(send);
        signal("-KILL", &pid);
        (11..=20).for_each(send);
        assert_eq!(total(HTTP[0]), 20);
        let mut third = Command::new(binary())
            .args(start_again.split(' '))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        assert_eq!(total(HTTP[2]), 20, "the third node is back, and has all");
        signal("-TERM", &third.id().to_string());
        assert!(third.wait().expect("it ends").success());
        let said = script.interrupt();
        for node in 1..=3 {
            assert!(
                said.lines().any(|line| line.starts_with(&format!("node {node} | "))),
                "{said}"
            );
        }
        // Started again it finds what there was.
        let script = Script::start(dir.path());
        script.wait_for("Ctrl-C stops them.");
        assert_eq!(HTTP.map(total), [20; 3]);
        script.interrupt();
        assert!(try_get(HTTP[0], "/health/live", LIMIT).is_err(), "no node is left");
    });
}
