//! The tour of the README with every real log: send, kill -9, start, and every line is there.

use super::server::{Server, data_dir, encoded};
use super::shared::{Stream, streams};

#[test]
fn every_line_of_every_real_log_is_found_after_kill_nine() {
    let Some(paths) = streams() else { return };
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    for path in &paths {
        let file = path.to_str().expect("UTF-8");
        let sent = server.run(&["send", file, "--format", "plain"]);
        let said = String::from_utf8_lossy(&sent.stdout).into_owned();
        assert!(sent.status.success(), "{file}: {said}{}", String::from_utf8_lossy(&sent.stderr));
    }
    server.kill();

    let server = Server::start(dir.path(), &[]);
    let mut lines = 0;
    for path in &paths {
        let stream = Stream::read(path);
        check(&server, &stream);
        lines += stream.lines.len();
    }
    assert_eq!(server.total(""), lines as u64, "records of all streams together");
    println!("{} streams, {lines} lines: every count equal after kill -9", paths.len());
}

/// Compares one stream's count, words and phrases with a grep of its file.
fn check(server: &Server, stream: &Stream) {
    let service = encoded(stream.service.as_bytes());
    let count = server.total(&format!("service={service}"));
    assert_eq!(count, stream.lines.len() as u64, "lines of {}", stream.service);
    for line in samples(stream) {
        for word in words_of(line) {
            let query = format!("service={service}&query={}", encoded(word));
            let shown = String::from_utf8_lossy(word);
            assert_eq!(server.total(&query), stream.with_word(word), "{}: {shown}", stream.service);
        }
        if let Some(phrase) = phrase_of(line) {
            let quoted = [b"\"", phrase, b"\""].concat();
            let query = format!("service={service}&query={}", encoded(&quoted));
            let shown = String::from_utf8_lossy(phrase);
            assert_eq!(
                server.total(&query),
                stream.with_phrase(phrase),
                "{}: {shown:?}",
                stream.service
            );
        }
    }
}

/// A few lines from all over the stream.
fn samples(stream: &Stream) -> impl Iterator<Item = &Vec<u8>> {
    let count = stream.lines.len();
    [0, count / 3, count / 2, count - 1].into_iter().map(|at| &stream.lines[at])
}

/// The first and the longest word of a line that are UTF-8: a URL's query carries no other.
fn words_of(line: &[u8]) -> Vec<&[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let words = || {
        line.split(|byte| !is_word(byte))
            .filter(|word| (1..200).contains(&word.len()) && std::str::from_utf8(word).is_ok())
    };
    words().next().into_iter().chain(words().max_by_key(|word| word.len())).collect()
}

/// Bytes from the middle of a line, without quotes and backslashes, which would need escapes.
fn phrase_of(line: &[u8]) -> Option<&[u8]> {
    let start = line.len() / 3;
    let end = (start + 24).min(line.len());
    let phrase = line.get(start..end)?;
    let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let quoted = |byte: &u8| matches!(byte, b'"' | b'\\');
    (phrase.len() >= 3 && phrase.iter().all(plain) && !phrase.iter().any(quoted)).then_some(phrase)
}
