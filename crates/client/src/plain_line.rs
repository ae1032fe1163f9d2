//! Lines of text as records: the line is the message, whole and unaltered.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use varve_types::{Level, Record, Resource};

use crate::recognise::{Clues, recognise};

/// Makes records of lines of one stream.
#[derive(Debug)]
pub struct PlainLines {
    service: Arc<str>,
    level: Option<(Level, Option<Arc<str>>)>,
    clues: Clues,
    resource: Arc<Resource>,
    /// Messages share allocations of this size.
    room: BytesMut,
}

const ROOM_BYTES: usize = 256 << 10;

impl PlainLines {
    /// Lines of one service. A `level` given here, with its spelling where the table of spellings
    /// does not have it, is that of every line; otherwise each line may say its own.
    #[must_use]
    pub fn new(service: Arc<str>, level: Option<(Level, Option<Arc<str>>)>, clues: Clues) -> Self {
        Self { service, level, clues, resource: Arc::default(), room: BytesMut::new() }
    }

    /// The record of one line without its terminator.
    #[must_use]
    pub fn record(&mut self, line: &[u8]) -> Record {
        let recognised = recognise(line, &self.clues);
        let (level, level_text) = match &self.level {
            Some((level, text)) => (*level, text.clone()),
            None => (recognised.level.unwrap_or_default(), None),
        };
        Record {
            timestamp: recognised.time,
            service: Arc::clone(&self.service),
            level,
            level_text,
            message: self.keep(line),
            resource: Arc::clone(&self.resource),
            attributes: Vec::new(),
        }
    }

    fn keep(&mut self, line: &[u8]) -> Bytes {
        if self.room.capacity() < line.len() {
            self.room = BytesMut::with_capacity(ROOM_BYTES.max(line.len()));
        }
        self.room.extend_from_slice(line);
        self.room.split().freeze()
    }
}
