//! Help teaches, mistakes are named, and the exit code says which kind they are.

use expect_test::expect;

use crate::run::{NOBODY, varve};

#[test]
fn help_begins_with_what_to_try() {
    expect![[r#"
        exit 0
        A log store that loses nothing: one binary, one machine or many

        Usage: varve <COMMAND>

        Commands:
          server       Run a node: with no flags a complete one, on loopback
          send         Send the lines of files, or of standard input
          query        Find records by words, service, level, attributes and time
          cluster      Look at the cluster, and steer it
          completions  Print what makes a shell complete varve's commands
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help     Print help
          -V, --version  Print version

        Try it:
          varve server                                     # a complete node, data in ./varve-data
          varve send /var/log/syslog                       # in another terminal
          varve query 'connection "timed out"' --since 1h
          varve cluster status

        `varve COMMAND --help` has more examples.
    "#]]
    .assert_eq(&varve(&["--help"], ""));
    for command in ["server", "send", "query", "cluster", "completions"] {
        let help = varve(&[command, "--help"], "");
        assert!(help.starts_with("exit 0\n"), "{help}");
        assert!(help.contains("Examples:\n  "), "{command} teaches by example: {help}");
    }
}

#[test]
fn mistakes_are_named_and_end_with_exit_code_two() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path().to_str().expect("a name in UTF-8");
    for (arguments, named) in [
        (&[][..], "Usage: varve"),
        (&["frobnicate"], "frobnicate"),
        (&["query", "--level", "loud"], "--level"),
        (&["query", "--since", "yesterday"], "--since"),
        (&["query", "--from", "noon"], "--from"),
        (&["query", "--from", "2026-02-01", "--to", "2026-01-01"], "--from"),
        (&["query", "--since", "1h", "--from", "2026-01-01"], "--since"),
        (&["query", "--limit", "0"], "--limit"),
        (&["query", "--limit", "10001"], "--limit"),
        (&["query", "--attr", "novalue"], "--attr"),
        (&["query", "--output", "xml"], "--output"),
        (&["query", "--order", "best"], "--order"),
        (&["query", "--endpoint", "ftp://x"], "--endpoint"),
        (&["send"], "FILE|-"),
        (&["send", "-"], "--service"),
        (&["send", "-", "-", "--service", "s"], "once only"),
        (&["send", "-", "--service", ""], "--service"),
        (&["send", "-", "--service", "s", "--timezone", "Mars"], "--timezone"),
        (&["send", "-", "--service", "s", "--timezone", "+0261"], "--timezone"),
        (&["send", "-", "--service", "s", "--producer", "a b"], "--producer"),
        (&["server", "--listen-http", "here"], "listen_http"),
        (&["server", "--listen-grpc", "0.0.0.0:9431"], "listen_grpc"),
        (&["server", "--config", "/nonexistent.toml"], "/nonexistent.toml"),
        (&["server", "--config", directory], directory),
        (&["server", "--window", "soon"], "window"),
        (&["server", "--join", "http://a:9432"], "join"),
        (&["server", "--zone", "upper room"], "zone"),
        (&["cluster", "drain"], "<NODE>"),
        (&["cluster", "drain", "three"], "three"),
        (&["cluster", "drain", "3", "--undo", "--no-wait"], "--no-wait"),
        (&["cluster", "transfer-leader", "1"], "<NODE>"),
        (&["cluster", "shards", "--state", "gone"], "--state"),
        (&["cluster", "nodes", "--endpoint", "http://127.0.0.1:1,b:9431"], "b:9431"),
        (&["completions", "tcsh"], "tcsh"),
    ] {
        let said = varve(arguments, "");
        assert!(said.starts_with("exit 2\n"), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?} does not name {named}: {said}");
    }
}

#[test]
fn without_a_server_each_command_says_so() {
    let endpoint = ["--endpoint", NOBODY];
    for arguments in [
        &["query", "words", "without", "quotes"][..],
        &["cluster", "status"],
        &["cluster", "seal"],
        &["cluster", "nodes"],
        &["cluster", "shards"],
        &["cluster", "add", "--wait"],
        &["cluster", "drain", "3", "--yes"],
        &["cluster", "remove", "3", "--yes"],
        &["cluster", "transfer-leader", "1", "2"],
        &["cluster", "verify"],
        &["send", "-", "--service", "s"],
    ] {
        let said = varve(&[arguments, &endpoint].concat(), "a line\n");
        let wanted = "exit 1\nvarve: cannot reach http://127.0.0.1:1: ";
        assert!(said.starts_with(wanted), "{said}");
        assert!(said.contains("is `varve server` running"), "{said}");
    }
    let said = varve(&["send", "/nonexistent", "--endpoint", NOBODY], "");
    assert!(said.starts_with("exit 1\nvarve: cannot read /nonexistent: "), "{said}");
}

#[test]
fn completions_are_for_this_binary() {
    for shell in ["bash", "zsh", "fish"] {
        let script = varve(&["completions", shell], "");
        assert!(script.starts_with("exit 0\n") && script.contains("varve"), "{shell}");
    }
}
