//! A store that lasts as long as its process.

use std::collections::HashMap;

use cosmosmesh_mission::MessageId;

use super::{Store, StoreError};
use crate::entry::Entry;
use crate::stub::{Stored, Stub};

/// Keeps entries in memory: for tests, and for nodes that hold nothing.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    entries: Vec<Stored>,
    by_id: HashMap<MessageId, usize>,
    durable: usize,
}

impl MemoryStore {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn settle(&mut self) {
        for at in self.durable..self.entries.len() {
            self.by_id.entry(self.entries[at].id()).or_insert(at);
        }
        self.durable = self.entries.len();
    }
}

impl FromIterator<Stored> for MemoryStore {
    fn from_iter<I: IntoIterator<Item = Stored>>(all: I) -> Self {
        let mut store = Self {
            entries: all.into_iter().collect(),
            ..Self::default()
        };
        store.settle();
        store
    }
}

impl Store for MemoryStore {
    fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.entries.push(Stored::Whole(entry.clone()));
        Ok(())
    }

    fn append_stub(&mut self, stub: &Stub) -> Result<(), StoreError> {
        self.entries.push(Stored::Stub(stub.clone()));
        Ok(())
    }

    fn commit(&mut self) -> Result<u64, StoreError> {
        self.settle();
        Ok(self.durable as u64)
    }

    fn len(&self) -> u64 {
        self.durable as u64
    }

    fn get(&mut self, id: &MessageId) -> Result<Option<Entry>, StoreError> {
        let found = self.by_id.get(id).map(|at| self.entries[*at].clone());
        Ok(found.and_then(Stored::whole))
    }

    fn replay(
        &self,
        each: &mut dyn FnMut(Stored) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut durable = self.entries[..self.durable].iter();
        durable.try_for_each(|stored| each(stored.clone()))
    }
}
