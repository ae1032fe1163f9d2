//! Bodies as they travel: gzip and zstd, with a bound on what they may become.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use varve_types::limits::REQUEST_BYTES_MAX;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::{ErrorKind, IngestError, Refusal};

/// The window that a zstd frame may ask for, as a power of two: 64 MiB, no more than a body.
const ZSTD_WINDOW_LOG_MAX: u32 = 26;
const _: () = assert!(1 << ZSTD_WINDOW_LOG_MAX <= REQUEST_BYTES_MAX);

/// The body behind a Content-Encoding (`gzip`, `x-gzip`, `zstd`, `identity` or none).
///
/// # Errors
///
/// Unsupported for another encoding; invalid when the compressed data is damaged or ends early;
/// too large when the body, as sent or decompressed, passes [`REQUEST_BYTES_MAX`]. No more than
/// that is ever decompressed.
pub fn decompress(encoding: Option<&str>, body: &Bytes) -> Result<Bytes, IngestError> {
    if body.len() > REQUEST_BYTES_MAX {
        return Err(too_large());
    }
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => Ok(body.clone()),
        "gzip" | "x-gzip" => read_bounded("gzip", MultiGzDecoder::new(&body[..])),
        "zstd" => {
            let mut decoder =
                ZstdDecoder::with_buffer(&body[..]).map_err(|error| damaged("zstd", &error))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|error| damaged("zstd", &error))?;
            read_bounded("zstd", decoder)
        }
        _ => Err(Refusal::of_request(
            ErrorKind::UnsupportedMediaType,
            "Content-Encoding",
            format!("{:?} is not read here", encoding.chars().take(64).collect::<String>()),
            "send the body as gzip, as zstd or uncompressed",
        )
        .into()),
    }
}

fn read_bounded(encoding: &str, decoder: impl Read) -> Result<Bytes, IngestError> {
    let mut body = Vec::new();
    let mut bounded = decoder.take(REQUEST_BYTES_MAX as u64 + 1);
    bounded.read_to_end(&mut body).map_err(|error| damaged(encoding, &error))?;
    if body.len() > REQUEST_BYTES_MAX {
        return Err(too_large());
    }
    Ok(body.into())
}

fn too_large() -> IngestError {
    Refusal::of_request(
        ErrorKind::TooLarge,
        "body",
        format!("is larger than {REQUEST_BYTES_MAX} bytes, as sent or decompressed"),
        "send several smaller requests",
    )
    .into()
}

fn damaged(encoding: &str, error: &io::Error) -> IngestError {
    let message = if error.kind() == io::ErrorKind::UnexpectedEof {
        format!("ends in the middle of its {encoding} data")
    } else {
        format!("is not whole {encoding} data: {error}")
    };
    let hint = "check that Content-Encoding names how the body is compressed, and send it whole";
    Refusal::of_request(ErrorKind::Invalid, "body", message, hint).into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use expect_test::expect;
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).expect("to memory");
        encoder.finish().expect("to memory").into()
    }

    fn zstd(data: &[u8]) -> Bytes {
        ::zstd::encode_all(data, 1).expect("to memory").into()
    }

    fn refusal(encoding: &str, body: &Bytes) -> (ErrorKind, String) {
        let error = decompress(Some(encoding), body).expect_err("refused");
        (error.kind(), error.to_string())
    }

    #[test]
    fn every_encoding_comes_back_also_in_several_pieces() {
        let plain = Bytes::from_static(b"one line\nand another\n");
        for encoding in [None, Some("identity"), Some("")] {
            assert_eq!(decompress(encoding, &plain), Ok(plain.clone()));
        }
        assert_eq!(decompress(Some("GZIP"), &gzip(&plain)), Ok(plain.clone()));
        assert_eq!(decompress(Some(" zstd "), &zstd(&plain)), Ok(plain.clone()));
        let twice = Bytes::from([&plain[..], &plain[..]].concat());
        for (encoding, one) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
            let pieces = Bytes::from([&one[..], &one[..]].concat());
            assert_eq!(decompress(Some(encoding), &pieces), Ok(twice.clone()));
        }
    }

    #[test]
    fn bombs_are_defused() {
        let bomb = vec![0; REQUEST_BYTES_MAX + 1];
        let too_large = "body is larger than 67108864 bytes, as sent or decompressed";
        for (encoding, body) in
            [("gzip", gzip(&bomb)), ("zstd", zstd(&bomb)), ("identity", bomb.into())]
        {
            assert_eq!(
                refusal(encoding, &body),
                (ErrorKind::TooLarge, too_large.to_owned()),
                "{encoding}"
            );
        }
    }

    #[test]
    fn damaged_and_unknown_encodings_say_so() {
        let data: Vec<u8> = (0..1000u32).flat_map(u32::to_le_bytes).collect();
        let (gz, zs) = (gzip(&data), zstd(&data));
        let refusals = [
            refusal("gzip", &gz.slice(..gz.len() / 2)),
            refusal("gzip", &gz.slice(..3)),
            refusal("gzip", &Bytes::new()),
            refusal("gzip", &zs),
            refusal("zstd", &zs.slice(..zs.len() / 2)),
            refusal("zstd", &gz),
            refusal("br", &gz),
            refusal("gzip, zstd", &gz),
        ];
        let text: String =
            refusals.iter().map(|(kind, text)| format!("{kind:?}: {text}\n")).collect();
        expect![[r#"
            Invalid: body ends in the middle of its gzip data
            Invalid: body ends in the middle of its gzip data
            Invalid: body ends in the middle of its gzip data
            Invalid: body is not whole gzip data: invalid gzip header
            Invalid: body ends in the middle of its zstd data
            Invalid: body is not whole zstd data: Unknown frame descriptor
            UnsupportedMediaType: Content-Encoding "br" is not read here
            UnsupportedMediaType: Content-Encoding "gzip, zstd" is not read here
        "#]]
        .assert_eq(&text);
    }
}
