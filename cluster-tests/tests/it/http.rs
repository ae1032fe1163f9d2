//! One HTTP request over a connection of its own, by hand: what a client library would add
//! (pools, timers, threads) is not what the simulation is about.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use varve_env::Env;

/// Who does not take a connection by then is taken for gone.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// A request without its answer.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Header lines, each with its line end.
    pub(crate) headers: String,
    pub(crate) body: &'a str,
}

/// Asks, and reads the answer to its end: its status and its JSON.
pub(crate) async fn ask(env: &Env, host: &str, request: Request<'_>) -> io::Result<(u16, Value)> {
    let Request { method, path, headers, body } = request;
    // A machine that is gone refuses nothing: it says nothing.
    let connect = tokio::time::timeout(CONNECT_WITHIN, env.network.connect(host));
    let mut stream = connect.await??;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| {
        let text = String::from_utf8_lossy(&answer).into_owned();
        io::Error::new(io::ErrorKind::InvalidData, format!("half an answer: {text:?}"))
    })
}

/// The status and the body, when all of it is there.
fn parse(answer: &[u8]) -> Option<(u16, Value)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_slice(&answer[end + 4..]).ok()?))
}
