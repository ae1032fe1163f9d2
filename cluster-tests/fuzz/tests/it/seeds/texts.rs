//! What people write, and programs that write for them.

use super::fixture;

fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The same, behind some bytes.
fn behind(head: &[u8], texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| [head, text.as_bytes()].concat()).collect()
}

pub(super) fn identities() -> Vec<Vec<u8>> {
    let node = "varve node 3\ncluster 0000000000000000000000000000000a\nnode 1\n\
                disk 0000000000000000000000000000000b\ncrc32c 00000000\n";
    let first = "varve node 1\ncluster 0000000000000000000000000000000a\nnode 1\nreplica 1\n";
    let disk = "varve disk 2\ndisk 0000000000000000000000000000000b\ncrc32c 00000000\n";
    [behind(&[0], &[node, first]), behind(&[1], &[disk])].concat()
}

pub(super) fn parameters() -> Vec<Vec<u8>> {
    all(&[
        "service=api&service=web&level=warn&query=slow+%22read+failed%22&attr.host=h1&page=2",
        "start_time=2026-01-31T12:00:00Z&end_time=1769860800&order=oldest&total=none&explain=true",
        "step=1h30m&by=service,level&consistency=stale&partial=allow",
        "service=api&level=loud&ids=true&page_size=10",
    ])
}

pub(super) fn words() -> Vec<Vec<u8>> {
    all(&["GET /api/v1?x=1", r#""say \"hi\" to C:\\x" naïve ÜBER_x"#, r#"a "b"#])
}

pub(super) fn bodies() -> Vec<Vec<u8>> {
    let json = behind(
        &[0],
        &[
            r#"{"service":"api","level":"warn","message":"slow","timestamp":"2026-01-31T12:00:00Z"}"#,
            r#"[{"service":"a","message":"1","metadata":{"a.b":{"c":1.50,"d":[1,{"e":null}],"":{}}}}]"#,
            r#"{"service":"a","message_base64":"AP8=","resource":{"host":"\u00fcé\n"},"level":"loud"}"#,
        ],
    );
    let lines =
        behind(&[3], &["{\"message\":\"one\",\"metadata\":{\"n\":-0}}\n\n{\"message\":\"2\"}"]);
    let keyed = behind(&[14], &[r#"{"message":"x","metadata":{"t":true,"big":1e400}}"#]);
    [json, lines, keyed].concat()
}

/// A line of each form that loggers write, in one zone and year.
pub(super) fn lines() -> Vec<Vec<u8>> {
    let text = fixture("crates/client/tests/scenarios/times_and_levels.txt");
    let text = String::from_utf8(text).expect("the scenario is text");
    let lines: Vec<_> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    behind(&[8, 0], &lines)
}

pub(super) fn objects() -> Vec<Vec<u8>> {
    behind(
        &[8, 0],
        &[
            r#"{"service":"a","msg":"x","lvl":"warn","ts":1117838570.123456,"a":{"b.c":[1]},"n":1e5}"#,
            r#"{"service":"a","log":"x","severity":3,"@timestamp":"2026-01-31T12:00:00Z"}"#,
            r#"{"service":"a","time":"soon","metadata":{"a":{}},"resource":{"h":"\u00fc"}}"#,
        ],
    )
}

pub(super) fn identifiers() -> Vec<Vec<u8>> {
    all(&[
        "AAAAAAAAAAAACAAAAAAAAAAAAEAAAAAA",
        "billing-7:3:42",
        "2026-01-31T12:00:00.123456789+02:00",
        "1769860800123",
        "Warning",
    ])
}

pub(super) fn configurations() -> Vec<Vec<u8>> {
    all(&[
        "data_dir = \"/tmp/x\"\nwindow = \"6h\"\nwindow_size = \"4 GiB\"\nreplicas = 3\n",
        "listen_http = \"[::1]:9430\"\nadvertise_peer = \"db-1:9432\"\njoin = [\"a:1\", \"b:2\"]\n",
        "bootstrap = true\njoin = \"a:1, b:2\"\nwindow_shards = 4\nrequest_timeout = \"1m 30s\"\n",
        "wal_file_size = \"16 KiB\"\nwal_size = 1048576\nmerge_rate = \"1.5 MiB\"\ninsecure = 1\n",
    ])
}

pub(super) fn histories() -> Vec<Vec<u8>> {
    let names = ["good", "registers_old_after_new", "replicas_differ"];
    names.map(|name| fixture(&format!("jepsen/tests/histories/{name}.edn"))).into()
}
