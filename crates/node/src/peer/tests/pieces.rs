//! Messages that were cut into pieces are the same when they are put together again, and parts
//! that nobody cut do no harm.

use std::collections::HashMap;

use bytes::Bytes;
use futures::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;
use varve_proto::v1::{Introduction, Part, frame};

use crate::peer::assembly::Assembly;
use crate::peer::handshake::{Side, decode_lane};
use crate::peer::outbox::{Flow, Outbox, Outgoing};
use crate::peer::{FRAME_BYTES, PIECE_BYTES, SMALL_BYTES};

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..200usize,
        SMALL_BYTES - 1..SMALL_BYTES + 2,
        PIECE_BYTES - 1..PIECE_BYTES + 2,
        0..3 * PIECE_BYTES,
    ]
}

fn body(request: u64, bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at as u64).wrapping_add(request * 31) as u8).collect::<Vec<_>>().into()
}

/// All parts that go now.
fn drain(outbox: &Outbox) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some(Some(frame)) = outbox.next().now_or_never() {
        let Some(frame::Content::Parts(frame)) = frame.content else { panic!("{frame:?}") };
        let bytes: usize = frame.parts.iter().map(|part| part.body.len()).sum();
        assert!(bytes <= FRAME_BYTES + PIECE_BYTES + SMALL_BYTES, "{bytes} in a frame");
        parts.extend(frame.parts);
    }
    parts
}

fn part() -> impl Strategy<Value = Part> {
    let bytes = || vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    (0..4u64, bytes(), bytes(), any::<bool>(), any::<bool>()).prop_map(
        |(request, head, body, last, refused)| Part {
            request,
            head,
            body,
            last,
            refused,
            cancelled: false,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_cut_is_put_together(messages in vec((0..3u64, sizes(), 0..4u8), 0..24)) {
        let (outbox, mut parts) = (Outbox::default(), Vec::new());
        let mut cancelled = Vec::new();
        for (at, &(flow, bytes, then)) in messages.iter().enumerate() {
            let request = at as u64 + 1;
            let head = Bytes::from(vec![request as u8]);
            let message = Outgoing { request, head, body: body(request, bytes), refused: false };
            outbox.push(Flow(flow), message);
            match then {
                0 => parts.extend(drain(&outbox)),
                1 => {
                    outbox.cancel(Flow(flow), request);
                    cancelled.push(request);
                }
                _ => {}
            }
        }
        parts.extend(drain(&outbox));
        let mut assembly = Assembly::default();
        let mut whole = Vec::new();
        for part in parts {
            if part.cancelled {
                assembly.forget(part.request);
            } else if let Some(message) = assembly.take(part).unwrap() {
                whole.push(message);
            }
        }
        let mut last_of_flow = HashMap::new();
        for message in &whole {
            let (flow, bytes, _) = messages[message.request as usize - 1];
            prop_assert_eq!(&message.body, &body(message.request, bytes));
            prop_assert_eq!(&message.head[..], &[message.request as u8]);
            let before = last_of_flow.insert(flow, message.request);
            prop_assert!(before < Some(message.request), "flow {} lost its order", flow);
        }
        for (at, _) in messages.iter().enumerate() {
            let request = at as u64 + 1;
            let arrived = whole.iter().any(|message| message.request == request);
            prop_assert_eq!(arrived, !cancelled.contains(&request), "request {}", request);
        }
    }

    #[test]
    fn any_parts_are_messages_or_errors(parts in vec(part(), 0..40)) {
        let mut assembly = Assembly::default();
        for part in parts {
            if assembly.take(part).is_err() {
                break;
            }
        }
    }

    #[test]
    fn any_introduction_is_a_side_or_a_refusal(cluster in vec(any::<u8>(), 0..20), node: u64, lane: u32) {
        let introduction =
            Introduction { cluster: cluster.clone().into(), node, ..Introduction::default() };
        prop_assert_eq!(Side::decode(Some(introduction)).is_ok(), cluster.len() == 16);
        prop_assert_eq!(decode_lane(lane).is_ok(), (1..=3).contains(&lane));
    }
}
