//! A server as small as a server can be that must lose nothing: it appends numbers to a file and
//! acknowledges them. It stands in for a node where the harness itself is tested.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use varve_cluster_tests::{Ended, World, note};
use varve_env::network::Stream;
use varve_env::{DiskFile, Env, OpenMode};

/// Asks for all numbers instead of adding one.
const LIST: u64 = u64::MAX;

const RECORD_BYTES: u64 = 16;

/// When a number is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    Synced,
    /// A planted bug.
    Written,
}

struct Register {
    env: Env,
    file: Arc<dyn DiskFile>,
    ack: Ack,
    numbers: Mutex<Vec<u64>>,
}

/// Serves until it is killed.
pub(crate) async fn serve(world: World, ack: Ack) -> Ended {
    let env = world.env.clone();
    let disk = Arc::clone(&env.disk);
    let (file, numbers) = env.blocking.run(move || recover(&*disk)).await?;
    note(format_args!("{}: recovered {} numbers", world.name, numbers.len()));
    let listener = env.network.listen(SocketAddr::from(([0, 0, 0, 0], 9000))).await?;
    let register = Arc::new(Register { env, file, ack, numbers: Mutex::new(numbers) });
    loop {
        let (stream, _) = listener.accept().await?;
        let (register, world) = (Arc::clone(&register), world.clone());
        tokio::spawn(async move {
            // A lost connection is the client's to mend.
            if let Err(error) = register.answer(stream).await
                && error.kind() == io::ErrorKind::Other
            {
                (world.on_fatal)(&format!("the disk failed: {error}"));
            }
        });
    }
}

fn recover(disk: &dyn varve_env::Disk) -> io::Result<(Arc<dyn DiskFile>, Vec<u64>)> {
    let file = disk.open(Path::new("/numbers"), OpenMode::Create)?;
    disk.sync_dir(Path::new("/"))?;
    let mut numbers = Vec::new();
    let mut record = [0; RECORD_BYTES as usize];
    while file.read_exact_at(&mut record, numbers.len() as u64 * RECORD_BYTES).is_ok() {
        let [number, check] = [0, 8].map(|at| {
            u64::from_le_bytes(record[at..at + 8].try_into().expect("eight bytes are eight"))
        });
        if check != !number {
            break;
        }
        numbers.push(number);
    }
    // What is torn is cut, so that nothing after it can be taken for a record later.
    file.set_len(numbers.len() as u64 * RECORD_BYTES)?;
    file.sync_data()?;
    Ok((file, numbers))
}

impl Register {
    async fn answer(&self, mut stream: Stream) -> io::Result<()> {
        loop {
            let number = stream.read_u64_le().await?;
            let mut numbers = self.numbers.lock().await;
            if number == LIST {
                stream.write_u64_le(numbers.len() as u64).await?;
                for number in &*numbers {
                    stream.write_u64_le(*number).await?;
                }
                continue;
            }
            let offset = numbers.len() as u64 * RECORD_BYTES;
            let mut record = number.to_le_bytes().to_vec();
            record.extend((!number).to_le_bytes());
            let (file, ack) = (Arc::clone(&self.file), self.ack);
            let written = self.env.blocking.run(move || {
                file.write_all_at(&record, offset)?;
                if ack == Ack::Synced { file.sync_data() } else { Ok(()) }
            });
            written.await?;
            numbers.push(number);
            drop(numbers);
            stream.write_u64_le(number).await?;
        }
    }
}

/// Adds numbers one by one, each until it is acknowledged, and in the end finds them all.
pub(crate) async fn add_and_check(world: World, server: &str, count: u64) -> Ended {
    let address = format!("{server}:9000");
    let mut connection = None;
    for number in 0..count {
        while let Err(error) = add(&world.env, &address, &mut connection, number).await {
            note(format_args!("{}: {number}: {error}", world.name));
            connection = None;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        note(format_args!("{}: {number}: acknowledged", world.name));
        let pause = world.env.random.next_u64() % 400;
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    let found = loop {
        match list(&world.env, &address).await {
            Ok(found) => break found,
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    };
    let lost: Vec<u64> = (0..count).filter(|number| !found.contains(number)).collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("acknowledged and lost: {lost:?}").into()) }
}

async fn add(
    env: &Env,
    address: &str,
    connection: &mut Option<Stream>,
    number: u64,
) -> io::Result<()> {
    let asked = async {
        let stream = match connection {
            Some(stream) => stream,
            None => connection.insert(env.network.connect(address).await?),
        };
        stream.write_u64_le(number).await?;
        stream.read_u64_le().await
    };
    match tokio::time::timeout(Duration::from_secs(2), asked).await {
        Ok(answer) => {
            assert_eq!(answer?, number, "an answer to another question");
            Ok(())
        }
        Err(late) => Err(late.into()),
    }
}

async fn list(env: &Env, address: &str) -> io::Result<BTreeSet<u64>> {
    let asked = async {
        let mut stream = env.network.connect(address).await?;
        stream.write_u64_le(LIST).await?;
        let mut found = BTreeSet::new();
        for _ in 0..stream.read_u64_le().await? {
            found.insert(stream.read_u64_le().await?);
        }
        Ok(found)
    };
    tokio::time::timeout(Duration::from_secs(2), asked).await?
}
