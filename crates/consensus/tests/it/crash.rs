//! Losing power anywhere in a rollover.

use varve_env::sim::Survival;
use varve_types::ShardId;

use crate::computer::Computer;
use crate::producer::Producer;

/// One run: power fails after so many changes of the disk from the start of a rollover on, and
/// the next life finds everything once and finishes the rollover. Answers whether power failed
/// before the rollover was through.
fn power_fails_after(changes: u64) -> bool {
    let computer = Computer::new();
    let mut producer = Producer::default();
    computer.live(Survival::Synced, async |host| {
        let mut settings = host.catalog().settings.clone();
        settings.bucket_bits = Some(1);
        host.change_settings(settings).await.unwrap();
        producer.send_many(&host, 6).await;
    });
    let struck = computer.live(Survival::Seeded(changes), async |host| {
        computer.disk.cut_power_after(changes);
        let rolling = host.clone();
        let roll = tokio::spawn(async move { rolling.roll(ShardId(1)).await });
        while !roll.is_finished() && !computer.disk.has_lost_power() {
            if producer.send_one(&host).await.is_err() {
                break;
            }
        }
        computer.disk.has_lost_power()
    });
    computer.live(Survival::Seeded(changes), async |host| {
        producer.check(&host).await;
        producer.resend(&host).await;
        producer.send_many(&host, 3).await;
        host.seal_all().await.unwrap();
        producer.check(&host).await;
    });
    computer.live(Survival::Synced, async |host| {
        producer.resend(&host).await;
        producer.check(&host).await;
    });
    struck
}

#[test]
fn a_rollover_that_loses_power_anywhere_goes_on_and_stores_everything_once() {
    let mut changes = 1;
    let mut struck = 0;
    while power_fails_after(changes) {
        struck += 1;
        changes += if changes < 120 { 3 } else { 17 };
        assert!(changes < 20_000, "the rollover never ends");
    }
    assert!(struck > 20, "only {struck} runs lost power: the sweep proves little");
}
