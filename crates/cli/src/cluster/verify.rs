//! `varve cluster verify`: reading everything again, everywhere, and comparing the copies.

use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;
use serde_json::{Value, json};
use varve_client::v1::VerifyResponse;
use varve_types::Level;

use super::{ClusterOptions, Output};
use crate::endpoint::call_failure;
use crate::failure::Failure;
use crate::table::{Cell, Table};
use crate::terminal::{Look, Screen};

/// Of a digest, so much tells copies apart in a table.
const DIGEST_CHARACTERS: usize = 12;

/// # Errors
///
/// [`Failure::Told`] when a copy is not as it should be.
pub(super) async fn run(options: &ClusterOptions) -> Result<(), Failure> {
    let client = options.connect().await?;
    let spinner = io::stderr().is_terminal().then(ProgressBar::new_spinner);
    let mut copies = Vec::new();
    let found = |copy: VerifyResponse| {
        if let Some(spinner) = &spinner {
            spinner.set_message(format!("shard {} is read again", copy.shard));
            spinner.tick();
        }
        copies.push(copy);
    };
    client.verify(found).await.map_err(call_failure)?;
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let mut out = io::stdout().lock();
    match options.output {
        Output::Text => write(&copies, Screen::stdout(), &mut out)?,
        Output::Json => writeln!(out, "{}", to_json(&copies))?,
    }
    if copies.iter().all(|copy| copy.ok) { Ok(()) } else { Err(Failure::Told) }
}

fn write(copies: &[VerifyResponse], screen: Screen, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(["shard", "node", "rows", "digest", "files", "found"]);
    let short = |digest: &str| Cell::new(digest.get(..DIGEST_CHARACTERS).unwrap_or(digest));
    for copy in copies {
        table.push([
            Cell::new(copy.shard),
            Cell::new(copy.node_id),
            Cell::new(copy.rows),
            short(&copy.content_digest),
            short(&copy.files_digest),
            if copy.ok {
                Cell::looking("good", Look::Level(Level::Info))
            } else {
                Cell::looking(&copy.problem, Look::Level(Level::Error))
            },
        ]);
    }
    table.write(screen, out)?;
    let bad = copies.iter().filter(|copy| !copy.ok).count();
    if bad == 0 {
        writeln!(out, "\nall {} copies are whole, and agree", copies.len())
    } else {
        writeln!(out, "\n{bad} of {} copies are NOT as they should be", copies.len())
    }
}

fn to_json(copies: &[VerifyResponse]) -> Value {
    let rows = copies.iter().map(|copy| {
        json!({
            "shard": copy.shard,
            "node_id": copy.node_id,
            "applied_index": copy.applied_index,
            "rows": copy.rows,
            "content_digest": copy.content_digest,
            "files_digest": copy.files_digest,
            "ok": copy.ok,
            "problem": (!copy.problem.is_empty()).then_some(&copy.problem),
        })
    });
    json!({
        "ok": copies.iter().all(|copy| copy.ok),
        "copies": rows.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn copy(shard: u64, node_id: u64, problem: &str) -> VerifyResponse {
        VerifyResponse {
            shard,
            node_id,
            rows: 1_000 * shard,
            content_digest: format!("{:032x}", u128::MAX / u128::from(shard + 4)),
            files_digest: format!("{:032x}", u128::MAX / u128::from(node_id + 7)),
            ok: problem.is_empty(),
            problem: problem.to_owned(),
            ..VerifyResponse::default()
        }
    }

    fn screen(copies: &[VerifyResponse]) -> String {
        let mut out = Vec::new();
        write(copies, Screen::of(false), &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_copy_that_is_not_like_the_others_stands_out() {
        let good = [copy(1, 1, ""), copy(1, 2, "")];
        expect![[r#"
            shard  node  rows  digest        files         found
            1      1     1000  333333333333  1fffffffffff  good
            1      2     1000  333333333333  1c71c71c71c7  good

            all 2 copies are whole, and agree
        "#]]
        .assert_eq(&screen(&good));
        assert_eq!(to_json(&good)["ok"], true);
        let bad = [copy(1, 1, ""), copy(1, 2, "seg-7.vseg: page 3 is damaged at byte 4096")];
        expect![[r#"
            shard  node  rows  digest        files         found
            1      1     1000  333333333333  1fffffffffff  good
            1      2     1000  333333333333  1c71c71c71c7  seg-7.vseg: page 3 is damaged at byte 4096

            1 of 2 copies are NOT as they should be
        "#]].assert_eq(&screen(&bad));
        let bad = to_json(&bad);
        assert_eq!((&bad["ok"], &bad["copies"][0]["problem"]), (&json!(false), &Value::Null));
    }
}
