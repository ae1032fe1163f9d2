//! What nodes tell each other of themselves: also those that know less, and those whose clock is off.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use varve_consensus::{Host, MessageKind, NewDisk, NodeState, PeerTransport};
use varve_env::sim::{SimClock, SimDisk};
use varve_types::NodeId;

use crate::computer::{options, virtual_time};
use crate::switchboard::{Switchboard, eventually, joiner, three};

const MINUTE_NS: i64 = 60_000_000_000;

#[test]
fn a_clock_that_goes_off_while_nodes_are_connected_is_shown_until_it_agrees() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
        let disk = SimDisk::new();
        let founding = options(&disk, "n1:1", NewDisk::Found, Arc::clone(&transport)).await;
        let first = Host::start(founding).await.unwrap();
        switchboard.plug(&first);
        let joining = NewDisk::Join(first.admit(joiner("n2:1")).await.unwrap());
        let mut joining = options(&SimDisk::new(), "n2:1", joining, transport).await;
        let clock = SimClock::new();
        joining.env.clock = clock.clock();
        let second = Host::start(joining).await.unwrap();
        switchboard.plug(&second);
        eventually("both are ready", || first.readiness().is_ok() && second.readiness().is_ok())
            .await;

        let off = async |host: &Host| -> Vec<(u64, Option<i64>)> {
            let nodes = host.nodes().await.into_iter();
            nodes.map(|node| (node.node.get(), node.clock_off_ns)).collect()
        };
        for agrees in [0, 4 * MINUTE_NS, -4 * MINUTE_NS] {
            clock.set_skew_ns(agrees);
            assert_eq!(off(&first).await, [(1, None), (2, None)]);
        }
        for is_off in [60 * MINUTE_NS, -6 * MINUTE_NS] {
            clock.set_skew_ns(is_off);
            let shown = off(&first).await;
            assert_eq!(shown[0], (1, None));
            let by = shown[1].1.unwrap();
            // Two clocks are neither set nor read at the same moment.
            assert!(by.abs_diff(is_off) < MINUTE_NS.unsigned_abs(), "{by}");
            // Who asks is right as far as it knows.
            assert_eq!(off(&second).await[1], (2, None));
            assert!(off(&second).await[0].1.is_some());
        }
        clock.set_skew_ns(0);
        assert_eq!(off(&first).await, [(1, None), (2, None)]);
    });
}

#[test]
fn nodes_of_the_version_before_are_understood_and_understand() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = three(&switchboard).await;
        // Node 3 does not know of full reports: it answers an error to what it cannot read.
        let old = hosts[2].node();
        switchboard.refuse(move |to, message| {
            to == old && message.kind == MessageKind::Catalog && message.body[..] == [2, 7]
        });
        sleep(Duration::from_secs(20)).await;
        let nodes = hosts[0].nodes().await;
        let states: Vec<_> = nodes.iter().map(|node| (node.node, node.state)).collect();
        let serving = [1, 2, 3].map(|node| (NodeId(node), NodeState::Serving));
        assert_eq!(states, serving);
        assert!(nodes.iter().all(|node| node.repair.is_some() && node.clock_off_ns.is_none()));
        assert!(switchboard.refused() > 10, "it was not asked");
        // And none of it is replaced as if it were away.
        assert!(hosts[0].catalog().nodes.values().all(|node| !node.lost));
    });
}
