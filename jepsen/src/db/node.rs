//! One node: a process with a data directory, a log, and a place in the network.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::network::Network;
use super::preload::{Page, Preload};
use crate::Failure;
use crate::client::Target;

/// How long a node that is told to end may take.
const STOP_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A node, up or down.
#[derive(Debug)]
pub struct Node {
    /// Where it is reached.
    pub target: Target,
    /// Its place in the network; `None` on loopback.
    pub network: Option<Network>,
    /// `HOST:PORT` where other nodes reach it.
    pub peers: String,
    /// What is wrong with its clock and its disk, where that can be told.
    pub page: Option<Page>,
    /// Everything that it keeps lies here.
    dir: PathBuf,
    /// What it says, over all its lives.
    log: PathBuf,
    child: Option<Child>,
}

/// What nodes are started with.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) varve: PathBuf,
    pub(super) flags: Vec<String>,
    pub(super) preload: Option<Preload>,
}

impl Node {
    /// A node that was never started, with its data and its log in a folder.
    pub(super) fn new(
        folder: &Path,
        number: usize,
        network: Option<Network>,
        [http, grpc, peers]: [String; 3],
    ) -> Self {
        Self {
            target: Target { http, grpc },
            network,
            peers,
            page: None,
            dir: folder.join(format!("data-{number}")),
            log: folder.join(format!("node-{number}.log")),
            child: None,
        }
    }

    /// Starts it on the data that it has; without any it joins one of these, or founds a cluster.
    pub(super) fn start(&mut self, launch: &Launch, join: &[String]) -> Result<(), Failure> {
        let mut command = match &self.network {
            Some(network) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &network.namespace]).arg(&launch.varve);
                command
            }
            None => Command::new(&launch.varve),
        };
        command.arg("server").arg("--data-dir").arg(self.data_dir()).args(&launch.flags);
        command.args(["--listen-http", &self.target.http, "--listen-grpc", &self.target.grpc]);
        command.args(["--listen-peer", &self.peers]);
        if self.network.is_some() {
            command.arg("--insecure");
        }
        match join {
            [] => command.arg("--bootstrap"),
            some => command.args(["--join", &some.join(",")]),
        };
        if let (Some(preload), Some(page)) = (&launch.preload, &self.page) {
            preload.put_before(&mut command, page);
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let command = command.env_remove("VARVE_BIN").stdin(Stdio::null());
        self.child = Some(command.stdout(log.try_clone()?).stderr(log).spawn()?);
        Ok(())
    }

    /// Where everything lies that it keeps.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The folder of [`Node::data_dir`], which is there before the node is, and may be a disk of its
    /// own.
    #[must_use]
    pub fn disk(&self) -> &Path {
        &self.dir
    }

    /// Whether its process was started and not seen to end.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// How it ended, if it ended by itself; it is down then.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<String>, Failure> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let Some(status) = child.try_wait()? else { return Ok(None) };
        self.child = None;
        Ok(Some(status.to_string()))
    }

    /// kill -9, and what the system says of how it ended.
    ///
    /// # Errors
    ///
    /// It is down.
    pub fn kill(&mut self) -> Result<String, Failure> {
        let mut child = self.child.take().ok_or("it is down already")?;
        child.kill()?;
        Ok(child.wait()?.to_string())
    }

    /// SIGTERM, and what the system says of how it ended.
    ///
    /// # Errors
    ///
    /// It is down, or does not end.
    pub fn stop(&mut self) -> Result<String, Failure> {
        self.signal(Signal::TERM)?;
        let asked = Instant::now();
        loop {
            if let Some(ended) = self.ended()? {
                return Ok(ended);
            }
            if asked.elapsed() > STOP_MAX {
                return Err(format!("it does not end within {STOP_MAX:?} of SIGTERM").into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// It is down.
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// What the system calls the state of its process: `T` when it stands still.
    ///
    /// # Errors
    ///
    /// It is down.
    pub fn state(&self) -> Result<char, Failure> {
        let pid = self.pid()?.as_raw_nonzero();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.ok_or_else(|| format!("/proc/{pid}/stat: {stat:?}").into())
    }

    /// What it said so far, over all its lives.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn said(&self) -> Result<String, Failure> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    fn pid(&self) -> Result<Pid, Failure> {
        let child = self.child.as_ref().ok_or("it is down")?;
        Pid::from_raw(child.id().cast_signed()).ok_or_else(|| "BUG: a process without id".into())
    }
}

/// A node does not outlive the run.
impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Whoever is gone already needs no end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
