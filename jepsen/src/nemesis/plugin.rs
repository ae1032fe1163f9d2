//! Faults that a program brings: the door for clusters that this harness does not start itself, such as
//! one on Kubernetes.
//!
//! ```text
//! PROGRAM list                      prints the names of its faults, one a line
//! PROGRAM bring FAULT ADDRESS       brings one to the node whose HTTP is at HOST:PORT; ends once it
//!                                   was seen to happen, and prints what was seen
//! PROGRAM end FAULT ADDRESS         takes it away
//! ```
//!
//! The exit code of `bring` says what became of it: 0 it was seen to happen, 3 it cannot be brought,
//! anything else that nobody knows. `end` must end with 0, also where nothing was brought.

use std::path::{Path, PathBuf};
use std::process::Command;

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Nemesis, Outcome};
use crate::Failure;
use crate::db::Cluster;

/// The exit code that says that a fault cannot be brought.
const SKIPPED: i32 = 3;

/// One fault of a program.
#[derive(Debug)]
pub struct Plugin {
    program: PathBuf,
    fault: String,
    /// The node that has it now.
    address: Option<String>,
}

/// The names of the faults that a program knows.
///
/// # Errors
///
/// It does not run, or fails.
pub fn faults_of(program: &Path) -> Result<Vec<String>, Failure> {
    let output = Command::new(program).arg("list").output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} list: {}", program.display(), output.status).into());
    }
    let said = String::from_utf8(output.stdout)?;
    Ok(said.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

impl Plugin {
    /// One of a program's faults.
    #[must_use]
    pub const fn new(program: PathBuf, fault: String) -> Self {
        Self { program, fault, address: None }
    }

    fn call(&self, what: &str, address: &str) -> Result<(Option<i32>, String), Failure> {
        let output = Command::new(&self.program).args([what, &self.fault, address]).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&said).trim().to_owned()))
    }
}

impl Nemesis for Plugin {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let target = cluster.targets().at(random.random()).ok_or("there is no node")?;
        self.address = Some(target.http.clone());
        let (code, said) = self.call("bring", &target.http)?;
        let said = format!("{}: {said}", target.http);
        Ok(match code {
            Some(0) => Outcome::Installed(said),
            Some(SKIPPED) => Outcome::Skipped(said),
            _ => Outcome::Indeterminate(said),
        })
    }

    fn end(&mut self, _: &mut Cluster) -> Result<(), Failure> {
        let Some(address) = self.address.take() else { return Ok(()) };
        match self.call("end", &address)? {
            (Some(0), _) => Ok(()),
            (_, said) => {
                Err(format!("{} is not taken away from {address}: {said}", self.fault).into())
            }
        }
    }
}
