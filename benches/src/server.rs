//! The server under measurement: a process of its own, on free ports of loopback, with a data
//! directory in the folder for temporary files, and what the operating system counts of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Failure;
use crate::disk::DiskBytes;

/// How long a server may take until it serves.
const START_MAX: Duration = Duration::from_secs(60);

/// A server is at rest that uses no more than a tick of processor time for so long.
const REST: Duration = Duration::from_millis(400);
/// How long it may work after the last batch.
const REST_MAX: Duration = Duration::from_secs(120);

/// Ticks of the counters in `/proc/PID/stat`: Linux shows all programs 100 a second.
const TICK: Duration = Duration::from_millis(10);

/// Any port of loopback that is free.
const FREE_PORT: &str = "127.0.0.1:0";

/// A server that is running.
pub(crate) struct Server {
    child: Child,
    http: String,
    grpc: String,
    peers: String,
    dir: TempDir,
}

/// The binary to measure: `VARVE_BIN`, or the one built beside this one.
///
/// # Errors
///
/// When there is none.
pub fn binary() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("VARVE_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    // Tests lie one folder deeper, in deps.
    let beside = own.ancestors().skip(1).take(2).map(|dir| dir.join("varve"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| "no varve binary: cargo build --release -p varve-cli".into())
}

impl Server {
    /// Starts one on an empty data directory, as it is without flags.
    pub(crate) fn start() -> Result<Self, Failure> {
        Self::start_with(&[])
    }

    /// Starts one on an empty data directory.
    pub(crate) fn start_with(flags: &[&str]) -> Result<Self, Failure> {
        Self::start_on(Self::empty_dir()?, FREE_PORT, flags)
    }

    /// Starts one on an empty data directory that joins the cluster of another.
    pub(crate) fn join(&self) -> Result<Self, Failure> {
        Self::start_on(Self::empty_dir()?, FREE_PORT, &["--join", &self.peers])
    }

    fn empty_dir() -> Result<TempDir, Failure> {
        Ok(tempfile::Builder::new().prefix("varve-bench-").tempdir()?)
    }

    /// Starts one on a data directory, with an address where it listens for other nodes.
    pub(crate) fn start_on(dir: TempDir, peers: &str, flags: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(binary()?);
        command.arg("server").arg("--data-dir").arg(dir.path());
        command.args(["--listen-http", FREE_PORT, "--listen-grpc", FREE_PORT]);
        command.args(["--listen-peer", peers]).args(flags);
        command.env_remove("VARVE_BIN").env("VARVE_LOG", "error").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("BUG: standard output is piped")?;
        let mut lines = BufReader::new(out).lines();
        let mut address = |name: &str| {
            lines.by_ref().map_while(Result::ok).find_map(|line| {
                let rest = line.trim().strip_prefix(name)?.trim();
                Some(rest.split_whitespace().next()?.to_owned())
            })
        };
        let addresses = (address("HTTP"), address("gRPC"), address("Peers"));
        let (Some(http), Some(grpc), Some(peers)) = addresses else {
            let _ = child.kill();
            return Err(format!("the server does not start: {}", child.wait()?).into());
        };
        Ok(Self { child, http, grpc, peers, dir })
    }

    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    pub(crate) fn grpc(&self) -> &str {
        &self.grpc
    }

    pub(crate) fn peers(&self) -> &str {
        &self.peers
    }

    pub(crate) fn disk(&self) -> Result<DiskBytes, Failure> {
        Ok(DiskBytes::of(self.dir.path())?)
    }

    /// What reads its processor time, also from another thread.
    pub(crate) fn clock(&self) -> ProcessorClock {
        ProcessorClock { stats: vec![PathBuf::from(format!("/proc/{}/stat", self.child.id()))] }
    }

    /// Waits until it has nothing to do any longer: tails written out, merges done. Answers how
    /// long that took.
    pub(crate) fn rest(&self) -> Result<Duration, Failure> {
        let clock = self.clock();
        let begun = Instant::now();
        let mut used = clock.read()?;
        while begun.elapsed() < REST_MAX {
            std::thread::sleep(REST);
            let now = clock.read()?;
            if now.saturating_sub(used) <= TICK {
                return Ok(begun.elapsed());
            }
            used = now;
        }
        Err(format!("the server still works {} s after the last batch", REST_MAX.as_secs()).into())
    }

    /// The most memory it had in RAM so far.
    pub(crate) fn rss_peak_bytes(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        Ok(kib.ok_or("no VmHWM in /proc/PID/status")? * 1024)
    }

    /// Ends it in one of two ways, starts it again on the same data, and measures how long it
    /// takes from there until it says that it serves.
    pub(crate) fn restart(self, end: End) -> Result<(Self, Duration), Failure> {
        let dir = self.end(end)?;
        let begun = Instant::now();
        let server = Self::start_on(dir, FREE_PORT, &[])?;
        server.wait_until_ready()?;
        Ok((server, begun.elapsed()))
    }

    /// Ends it in one of two ways, and answers its data.
    pub(crate) fn end(mut self, end: End) -> Result<TempDir, Failure> {
        match end {
            End::Killed => self.child.kill()?,
            End::Stopped => {
                let pid = self.child.id().to_string();
                if !Command::new("kill").arg(pid).status()?.success() {
                    return Err("the server cannot be stopped".into());
                }
            }
        }
        self.child.wait()?;
        // What remains is put in the place of what `Drop` would remove.
        Ok(std::mem::replace(&mut self.dir, tempfile::tempdir()?))
    }

    /// Waits until it says that it serves.
    pub(crate) fn wait_until_ready(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let agent = ureq::Agent::new_with_defaults();
        while agent.get(format!("{}/health/ready", self.http)).call().is_err() {
            if begun.elapsed() > START_MAX {
                return Err("the server does not become ready".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Runs a subcommand of the binary against this server, and answers what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new(binary()?);
        command.args(arguments).args(["--endpoint", &self.grpc]);
        let output = command.env_remove("VARVE_BIN").stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("varve {}: {said}", arguments.join(" ")).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGKILL.
    Killed,
    /// SIGTERM.
    Stopped,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads how long processes have used a processor, in user and kernel mode, all threads.
#[derive(Clone, Debug)]
pub(crate) struct ProcessorClock {
    stats: Vec<PathBuf>,
}

impl ProcessorClock {
    /// One that counts several servers together.
    pub(crate) fn of_all(servers: &[Server]) -> Self {
        Self { stats: servers.iter().flat_map(|server| server.clock().stats).collect() }
    }

    pub(crate) fn read(&self) -> Result<Duration, Failure> {
        self.stats.iter().map(|stat| processor_time(stat)).sum()
    }
}

fn processor_time(stat: &Path) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(stat)?;
    // The name, in parentheses, may hold anything; what follows is numbers.
    let (_, after_name) = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let (Some(user), Some(system)) = (ticks(), ticks()) else {
        return Err("no times in /proc/PID/stat".into());
    };
    Ok(TICK * (user + system))
}
