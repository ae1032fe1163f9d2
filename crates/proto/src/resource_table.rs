//! The table of resources that the records of one message share.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use varve_types::Resource;

use crate::attribute::encode_attributes;
use crate::v1;

/// Resources numbered from 1, each once: told apart first by address, then by content.
#[derive(Debug, Default)]
pub(crate) struct ResourceTable {
    messages: Vec<v1::Resource>,
    /// The `Arc` keeps the address from being used again while the table lives.
    by_address: HashMap<usize, (Arc<Resource>, u32)>,
    by_content: HashMap<Vec<u8>, u32>,
}

impl ResourceTable {
    /// The number under which a record names the resource; 0 for one without attributes.
    pub(crate) fn number(&mut self, resource: &Arc<Resource>) -> u32 {
        if resource.0.is_empty() {
            return 0;
        }
        let address = Arc::as_ptr(resource) as usize;
        if let Some((_, number)) = self.by_address.get(&address) {
            return *number;
        }
        let message = v1::Resource { attributes: encode_attributes(&resource.0) };
        let messages = &mut self.messages;
        let number = *self.by_content.entry(message.encode_to_vec()).or_insert_with(|| {
            messages.push(message);
            u32::try_from(messages.len()).expect("BUG: more resources than a request has bytes")
        });
        self.by_address.insert(address, (Arc::clone(resource), number));
        number
    }

    pub(crate) fn into_messages(self) -> Vec<v1::Resource> {
        self.messages
    }
}
