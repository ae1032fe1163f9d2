//! The rules of the source that no lint knows: what a file opens with, how large it may be, and
//! who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

/// Lines of one file, tests included: larger ones are hard to hold in one's head.
const FILE_LINES_MAX: usize = 700;

/// Lines of the file in the middle: the tree as a whole stays one of small concepts.
const MEDIAN_LINES_MAX: usize = 220;

/// Crates of ours, and which of ours each may use. Lower layers never see higher ones.
const LAYERS: [(&str, &[&str]); 14] = [
    ("types", &[]),
    ("mutants", &[]),
    ("env", &["types"]),
    ("proto", &["types"]),
    ("columnar", &["types"]),
    ("wal", &["env", "mutants", "types"]),
    ("shard", &["columnar", "env", "mutants", "types"]),
    ("query", &["columnar", "types"]),
    ("placement", &["types"]),
    (
        "consensus",
        &["columnar", "env", "mutants", "placement", "proto", "query", "shard", "types", "wal"],
    ),
    ("ingest", &["columnar", "proto", "types"]),
    (
        "node",
        &[
            "columnar",
            "consensus",
            "env",
            "ingest",
            "mutants",
            "placement",
            "proto",
            "query",
            "shard",
            "types",
            "wal",
        ],
    ),
    ("client", &["proto", "types"]),
    // docs/decisions/0008 says why the binary sees these beside `client` and `node`.
    ("cli", &["client", "env", "ingest", "node", "types"]),
];

/// The only crate that knows the consensus library.
const CONSENSUS: &str = "consensus";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace")
}

/// All source files of the project, by path from its root.
fn sources() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output();
    let mut paths: Vec<PathBuf> = match listed {
        Ok(listed) if listed.status.success() => {
            String::from_utf8_lossy(&listed.stdout).lines().map(PathBuf::from).collect()
        }
        // An unpacked archive has no repository.
        _ => {
            let mut found = Vec::new();
            for folder in ["crates", "cluster-tests", "jepsen", "benches"] {
                walk(Path::new(folder), &mut found);
            }
            found
        }
    };
    paths.sort();
    paths.dedup();
    // A file that was removed may still be listed.
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path)).ok()?;
        Some((path, text))
    };
    let sources: Vec<_> = paths.into_iter().filter_map(read).collect();
    assert!(sources.len() > 20, "only {} source files were found", sources.len());
    sources
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder of the project") {
        let entry = entry.expect("an entry of a folder");
        let path = folder.join(entry.file_name());
        if entry.file_type().expect("an entry has a type").is_dir() {
            if entry.file_name() != "target" {
                walk(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The folders under `crates/`.
fn crates() -> BTreeSet<String> {
    fs::read_dir(root().join("crates"))
        .expect("the folder of crates")
        .map(|entry| entry.expect("an entry of a folder"))
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().expect("names of crates are text"))
        .collect()
}

fn manifest(folder: &str) -> Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders of all packages.
fn packages() -> impl Iterator<Item = String> {
    let beside = ["cluster-tests", "cluster-tests/fuzz", "jepsen", "benches"].map(str::to_owned);
    crates().into_iter().map(|name| format!("crates/{name}")).chain(beside)
}

/// The sections of these names in a manifest, for any platform.
fn sections<'a>(manifest: &'a Table, names: &'a [&str]) -> impl Iterator<Item = &'a Table> {
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = platforms.into_iter().flat_map(Table::values).filter_map(toml::Value::as_table);
    std::iter::once(manifest)
        .chain(platforms)
        .flat_map(|table| names.iter().filter_map(|name| table.get(*name)?.as_table()))
}

/// What a manifest depends on in the sections of these names, for any platform.
fn dependencies(manifest: &Table, names: &[&str]) -> BTreeSet<String> {
    sections(manifest, names)
        .flat_map(Table::iter)
        .map(|(name, value)| {
            let renamed = value.get("package").and_then(toml::Value::as_str);
            renamed.unwrap_or(name).to_owned()
        })
        .collect()
}

fn check(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    let problems = silent.map(|(path, _)| {
        let path = path.display();
        format!("{path}:1: open the file with `//!`: what it owns, and what it refuses to know")
    });
    check(&problems.collect::<Vec<_>>());
}

#[test]
fn files_are_small() {
    let mut sizes: Vec<(usize, PathBuf)> =
        sources().into_iter().map(|(path, text)| (text.lines().count(), path)).collect();
    sizes.sort();
    let large = sizes.iter().filter(|(lines, _)| *lines > FILE_LINES_MAX);
    let mut problems: Vec<String> = large
        .map(|(lines, path)| {
            let path = path.display();
            format!(
                "{path}:{lines}: move a concept into a file of its own: {FILE_LINES_MAX} lines are \
                 the most"
            )
        })
        .collect();
    let (median, path) = &sizes[sizes.len() / 2];
    if *median > MEDIAN_LINES_MAX {
        problems.push(format!(
            "{}:{median}: the file in the middle of all sizes has more than {MEDIAN_LINES_MAX} \
             lines: divide the larger ones",
            path.display()
        ));
    }
    check(&problems);
}

#[test]
fn lints_are_expected_with_a_reason_and_nothing_is_left_for_later() {
    // Put together here, so that this file does not hold what it looks for.
    let refused = [
        (["#[", "allow("].concat(), "write `#[expect(lint, reason = \"…\")]`"),
        (["#![", "allow("].concat(), "write `#![expect(lint, reason = \"…\")]`"),
        (["todo", "!("].concat(), "finish it, or answer an error that says what is missing"),
        (["unimplemented", "!("].concat(), "finish it, or take it out of the interface"),
    ];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for (word, remedy) in &refused {
                if line.contains(word.as_str()) {
                    problems.push(format!("{}:{}: {remedy}", path.display(), number + 1));
                }
            }
        }
    }
    check(&problems);
}

#[test]
fn lower_layers_do_not_see_higher_ones() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.into();
    let mut problems = Vec::new();
    for name in crates() {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(allowed) = layers.get(name.as_str()) else {
            problems.push(format!(
                "{path}:1: give `{name}` its layer: in ARCHITECTURE.md, and in LAYERS of \
                 cluster-tests/tests/it/style.rs"
            ));
            continue;
        };
        let manifest = manifest(&format!("crates/{name}"));
        for used in dependencies(&manifest, &["dependencies", "build-dependencies"]) {
            let Some(used) = used.strip_prefix("varve-") else { continue };
            if !allowed.contains(&used) {
                problems.push(format!(
                    "{path}:{}: `{name}` must not see `{used}`: it may use {allowed:?}; move what \
                     both need down, or take it as an argument",
                    line_of(&path, used)
                ));
            }
        }
    }
    check(&problems);
}

#[test]
fn one_crate_knows_the_consensus_library() {
    let knows = format!("crates/{CONSENSUS}");
    let mut problems = Vec::new();
    for folder in packages().filter(|folder| *folder != knows) {
        let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
        for used in dependencies(&manifest(&folder), &sections) {
            if used.starts_with("openraft") {
                let path = format!("{folder}/Cargo.toml");
                let line = line_of(&path, &used);
                problems.push(format!("{path}:{line}: only `{CONSENSUS}` depends on `{used}`"));
            }
        }
    }
    check(&problems);
}

/// What the feature turns on is in no binary but those of tests: a build for users does not see
/// dependencies of tests.
#[test]
fn bugs_are_planted_in_tests_alone() {
    let mut problems = Vec::new();
    let seen_by_users = ["dependencies", "build-dependencies", "features"];
    // What the workspace says of a dependency counts wherever it is used.
    let whole = manifest(".")["workspace"].as_table().expect("a workspace").clone();
    let each = packages().map(|folder| (manifest(&folder), folder));
    for (manifest, folder) in each.chain([(whole, ".".to_owned())]) {
        let plants =
            |section: &Table| section.values().any(|it| it.to_string().contains("plant\""));
        if sections(&manifest, &seen_by_users).any(plants) {
            let path = format!("{folder}/Cargo.toml");
            let line = line_of(&path, "plant\"");
            problems.push(format!("{path}:{line}: plant bugs by `dev-dependencies` alone"));
        }
    }
    check(&problems);
}

/// The line of a manifest that speaks of a dependency.
fn line_of(path: &str, name: &str) -> usize {
    let text = fs::read_to_string(root().join(path)).unwrap_or_default();
    text.lines().position(|line| line.contains(name)).map_or(1, |line| line + 1)
}

#[test]
fn the_map_names_the_crates_that_exist() {
    let path = root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    // Rows of the table of crates: | layer | `name` | …
    let named: BTreeMap<&str, usize> = text
        .lines()
        .enumerate()
        .filter_map(|(number, line)| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let layer = cells.next()?;
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            layer.parse::<u8>().ok().map(|_| (name, number + 1))
        })
        .collect();
    let crates = crates();
    let mut problems = Vec::new();
    for name in crates.iter().filter(|name| !named.contains_key(name.as_str())) {
        problems.push(format!("ARCHITECTURE.md:1: add a row for the crate `{name}`"));
    }
    for (name, line) in named.iter().filter(|(name, _)| !crates.contains(**name)) {
        problems.push(format!("ARCHITECTURE.md:{line}: there is no crate `{name}`: take it out"));
    }
    for name in LAYERS.iter().map(|(name, _)| name).filter(|name| !crates.contains(**name)) {
        problems.push(format!(
            "cluster-tests/tests/it/style.rs:1: there is no crate `{name}`: take it out of LAYERS"
        ));
    }
    check(&problems);
}
