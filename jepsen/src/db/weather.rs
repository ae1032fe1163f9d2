//! Bad weather between nodes: packets that the router was told to give here come late, not at all,
//! twice or in another order.
//!
//! ```text
//! node ─▶ router ─▶ TUN device ─▶ this module ─▶ TUN device ─▶ router ─▶ node
//! ```
//!
//! A kernel with netem could do the same; many have none, and this needs none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::Failure;

/// What the device is called.
pub(super) const DEVICE: &str = "weather0";

/// A packet is no larger than this: that of the devices.
const PACKET_BYTES_MAX: usize = 2_048;

/// Packets that wait at most: what comes then is lost, as at any full queue.
const WAITING_MAX: usize = 20_000;

/// What packets meet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wind {
    /// All come later by so much.
    pub delay: Duration,
    /// And by up to so much more, each on its own: they overtake each other.
    pub jitter: Duration,
    /// How many of a thousand are lost.
    pub lost_of_1000: u32,
    /// How many of a thousand come twice.
    pub twice_of_1000: u32,
    /// None comes through; they wait until this ends.
    pub is_clogged: bool,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// How many came.
    pub came: u64,
    /// How many were lost.
    pub lost: u64,
    /// How many were sent twice.
    pub twice: u64,
}

/// A TUN device with its weather, for as long as the process lives.
#[derive(Debug)]
pub struct Weather(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    air: Mutex<Air>,
    changed: Condvar,
    came: AtomicU64,
    lost: AtomicU64,
    twice: AtomicU64,
}

#[derive(Debug, Default)]
struct Air {
    wind: Wind,
    /// Packets with the time at which they are due, and their number, which keeps their order.
    waiting: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    number: u64,
}

impl Weather {
    /// Makes the device; there is no wind yet.
    ///
    /// # Errors
    ///
    /// Where there are no TUN devices, or they are not allowed.
    pub fn begin() -> Result<Self, Failure> {
        let device = open(DEVICE)?;
        let shared = Arc::new(Shared::default());
        let (mut reader, taking) = (device.try_clone()?, Arc::clone(&shared));
        std::thread::spawn(move || {
            let mut packet = [0; PACKET_BYTES_MAX];
            while let Ok(bytes) = reader.read(&mut packet) {
                taking.take(&packet[..bytes]);
            }
        });
        let (mut writer, giving) = (device, Arc::clone(&shared));
        std::thread::spawn(move || {
            loop {
                let packet = giving.next();
                // A packet that the router does not take is lost, as any packet may be.
                let _ = writer.write_all(&packet);
            }
        });
        Ok(Self(shared))
    }

    /// Changes what packets meet from now on.
    pub fn set(&self, wind: Wind) {
        self.0.air().wind = wind;
        self.0.changed.notify_one();
    }

    /// What became of packets so far.
    #[must_use]
    pub fn passed(&self) -> Passed {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Passed { came: count(&self.0.came), lost: count(&self.0.lost), twice: count(&self.0.twice) }
    }
}

impl Shared {
    fn take(&self, packet: &[u8]) {
        self.came.fetch_add(1, Ordering::Relaxed);
        let mut air = self.air();
        let wind = air.wind;
        let mut random = rand::rng();
        if random.random_ratio(wind.lost_of_1000, 1_000) || air.waiting.len() >= WAITING_MAX {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_twice = random.random_ratio(wind.twice_of_1000, 1_000);
        self.twice.fetch_add(is_twice.into(), Ordering::Relaxed);
        for _ in 0..1 + u32::from(is_twice) {
            let due = Instant::now() + wind.delay + wind.jitter.mul_f64(random.random::<f64>());
            let number = air.number;
            air.number += 1;
            air.waiting.push(Reverse((due, number, packet.to_vec())));
        }
        self.changed.notify_one();
    }

    /// Waits until a packet is due.
    fn next(&self) -> Vec<u8> {
        let mut air = self.air();
        loop {
            let now = Instant::now();
            let due = air.waiting.peek().map(|Reverse((due, ..))| *due);
            let wait = match due {
                Some(due) if due <= now && !air.wind.is_clogged => {
                    if let Some(Reverse((_, _, packet))) = air.waiting.pop() {
                        return packet;
                    }
                    continue;
                }
                Some(due) if !air.wind.is_clogged => due - now,
                _ => Duration::from_secs(1),
            };
            let waited = self.changed.wait_timeout(air, wait);
            air = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn air(&self) -> MutexGuard<'_, Air> {
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kernel's request to make a device of an open file, and what kind: packets without headers.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
const IFF_TUN_NO_PI: i16 = 0x1001;

/// `struct ifreq`, as far as this request reads it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    unused: [u8; 22],
}

fn open(name: &str) -> Result<File, Failure> {
    let device = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = Request { name: [0; 16], flags: IFF_TUN_NO_PI, unused: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    #[expect(unsafe_code, reason = "only the system call itself makes a TUN device")]
    // SAFETY: the request is a whole `struct ifreq`, which the kernel reads and writes in place.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if done < 0 {
        return Err(format!("no TUN device: {}", std::io::Error::last_os_error()).into());
    }
    Ok(device)
}
