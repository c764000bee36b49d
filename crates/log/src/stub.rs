//! What is kept of an entry whose body is let go of.
//!
//! A *stub* is the header of an entry: the same items, as a list of their own, so
//! that the entry's id is the hash of the stub's bytes. It proves by itself that it
//! belongs to the id, and by the ids of its parents what the entry follows from.
//! What it does not prove is that its author signed it: that is the word of the
//! quorum that sealed a checkpoint behind it ([`Log::prune`](crate::Log::prune)).

use cosmosmesh_mission::cbor::{Reader, Writer};
use cosmosmesh_mission::{Canonical, DecodeError, EncodeError, MessageId};

use crate::entry::{Entry, EntryError, HEADER_ITEMS, Header, id_of};
use crate::limits::MAX_ENTRY_BYTES;

/// An entry without body and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    pub(crate) id: MessageId,
    pub(crate) header: Header,
}

/// What a store keeps of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// All of it.
    Whole(Entry),
    /// It was pruned.
    Stub(Stub),
}

/// The items of a header, as a list.
struct Items(Header);

impl Canonical for Items {
    fn write(&self, writer: &mut Writer) {
        writer.array(HEADER_ITEMS, |writer| self.0.write_items(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(HEADER_ITEMS, Header::read_items).map(Self)
    }
}

/// The head of a list of as many items as a header has: one byte.
const HEAD: u8 = 0x80 | HEADER_ITEMS as u8;

impl Stub {
    /// The stub with this header.
    ///
    /// # Errors
    /// The header breaks a rule.
    pub(crate) fn of(header: Header) -> Result<Self, EncodeError> {
        let items = Items(header);
        let id = id_of(&items.to_cbor()?[1..]);
        Ok(Self {
            id,
            header: items.0,
        })
    }

    /// Reads the one encoding of a stub.
    ///
    /// # Errors
    /// Refuses what is malformed, not canonical, too big, followed by anything, or
    /// of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLarge {
                limit: MAX_ENTRY_BYTES,
                actual: bytes.len(),
            });
        }
        let Items(header) = Items::from_cbor(bytes)?;
        Ok(Self {
            id: id_of(&bytes[1..]),
            header,
        })
    }

    /// The one encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = Items(self.header.clone()).to_cbor();
        bytes.expect("a header is checked when it is made")
    }

    /// The id of the entry.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The header of the entry.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl Stored {
    /// Reads an entry or a stub, whichever it is.
    ///
    /// # Errors
    /// It is neither.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.first() == Some(&HEAD) {
            Stub::from_bytes(bytes).map(Self::Stub)
        } else {
            Entry::from_bytes(bytes).map(Self::Whole)
        }
    }

    /// The one encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(entry) => entry.to_bytes(),
            Self::Stub(stub) => stub.to_bytes(),
        }
    }

    /// The id of the entry.
    pub fn id(&self) -> MessageId {
        match self {
            Self::Whole(entry) => entry.id(),
            Self::Stub(stub) => stub.id,
        }
    }

    /// The header of the entry.
    pub fn header(&self) -> &Header {
        match self {
            Self::Whole(entry) => entry.header(),
            Self::Stub(stub) => &stub.header,
        }
    }

    /// The entry, if all of it is there.
    pub fn whole(self) -> Option<Entry> {
        match self {
            Self::Whole(entry) => Some(entry),
            Self::Stub(_) => None,
        }
    }
}
