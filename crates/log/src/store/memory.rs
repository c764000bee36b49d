//! A store that lasts as long as its process.

use std::collections::HashMap;

use cosmosmesh_mission::MessageId;

use super::{Store, StoreError};
use crate::entry::Entry;

/// Keeps entries in memory: for tests, and for nodes that hold nothing.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    entries: Vec<Entry>,
    by_id: HashMap<MessageId, usize>,
    durable: usize,
}

impl MemoryStore {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.entries.push(entry.clone());
        Ok(())
    }

    fn commit(&mut self) -> Result<u64, StoreError> {
        for at in self.durable..self.entries.len() {
            self.by_id.entry(self.entries[at].id()).or_insert(at);
        }
        self.durable = self.entries.len();
        Ok(self.durable as u64)
    }

    fn len(&self) -> u64 {
        self.durable as u64
    }

    fn get(&mut self, id: &MessageId) -> Result<Option<Entry>, StoreError> {
        Ok(self.by_id.get(id).map(|at| self.entries[*at].clone()))
    }

    fn replay(
        &self,
        each: &mut dyn FnMut(Entry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut durable = self.entries[..self.durable].iter();
        durable.try_for_each(|entry| each(entry.clone()))
    }
}
