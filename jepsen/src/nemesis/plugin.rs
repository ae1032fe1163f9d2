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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rand::SeedableRng as _;

    use super::*;
    use crate::client::{Target, Targets};

    const PROGRAM: &str = "#!/bin/sh
case $1 in
list) printf 'drop pod\\nnever\\nunclear\\n' ;;
bring)
    case $2 in
    never) echo 'no rights'; exit 3 ;;
    unclear) exit 1 ;;
    esac
    echo \"$2 at $3\" ;;
end) echo \"$2 at $3 is over\" >>\"$0.ended\" ;;
esac
";

    #[test]
    fn a_program_brings_faults_and_says_what_became_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("program");
        std::fs::write(&program, PROGRAM).expect("written");
        let may_run = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, may_run).expect("set");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let targets = Targets::default();
        targets.set(vec![Target { http: "a:1".to_owned(), grpc: "a:2".to_owned() }]);
        let mut cluster = Cluster::of_others(targets, runtime.handle().clone());
        let random = &mut StdRng::seed_from_u64(1);
        let mut outcomes = Vec::new();
        for fault in faults_of(&program).expect("it lists them") {
            let mut plugin = Plugin::new(program.clone(), fault);
            outcomes.push(plugin.bring(&mut cluster, random).expect("called").to_string());
            plugin.end(&mut cluster).expect("ended");
            plugin.end(&mut cluster).expect("there is nothing any more");
        }
        let wanted =
            ["installed: a:1: drop pod at a:1", "skipped: a:1: no rights", "indeterminate: a:1: "];
        assert_eq!(outcomes, wanted);
        let ended = std::fs::read_to_string(folder.path().join("program.ended")).expect("written");
        assert_eq!(ended.lines().count(), 3);
    }
}
