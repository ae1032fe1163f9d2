//! Reads a request's body within the limits.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use varve_types::{Attribute, Record, limits};

use super::ApiError;
use crate::gateway::{Budget, Reservation};

/// A body that is too large is read on and thrown away up to this many bytes, so that the client
/// gets to read the answer instead of a closed connection.
const DISCARDED_BYTES_MAX: usize = 4 * limits::REQUEST_BYTES_MAX;

/// Reads a whole body, reserving its memory as it comes.
///
/// # Errors
///
/// 413 above [`limits::REQUEST_BYTES_MAX`], 429 when the node's budget is used up, 400 when the
/// client stops halfway.
pub(super) async fn read(body: Body, budget: &Budget) -> Result<(Bytes, Reservation), ApiError> {
    let mut reservation = budget.reserve(0)?;
    let mut bytes = BytesMut::new();
    let mut seen = 0;
    let mut refused = None;
    let mut body = body;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::invalid(
                format!("the body broke off after {seen} bytes: {error}"),
                "send the whole body, with its right Content-Length",
            )
        })?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if refused.is_none() {
            refused = admit(seen, data.len(), &mut reservation).err();
            if refused.is_none() {
                bytes.extend_from_slice(&data);
                continue;
            }
            bytes = BytesMut::new();
        }
        if seen > DISCARDED_BYTES_MAX {
            break;
        }
    }
    match refused {
        Some(error) => Err(error),
        None => Ok((bytes.freeze(), reservation)),
    }
}

fn admit(seen: usize, more: usize, reservation: &mut Reservation) -> Result<(), ApiError> {
    if seen > limits::REQUEST_BYTES_MAX {
        return Err(ApiError::new(
            axum::http::StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {} bytes", limits::REQUEST_BYTES_MAX),
            "send it in several requests",
        ));
    }
    Ok(reservation.grow(more)?)
}

/// At most about what a JSON body takes in memory while it is decoded. Every record and every
/// object in it begins with a brace, and every attribute has a colon.
pub(super) fn decoded_bytes_about(body: &[u8]) -> usize {
    let braces = memchr::memchr_iter(b'{', body).count();
    let colons = memchr::memchr_iter(b':', body).count();
    body.len() + braces * size_of::<Record>() + colons * size_of::<Attribute>()
}
