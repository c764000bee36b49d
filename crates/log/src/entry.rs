//! One signed entry.
//!
//! On the wire it is deterministic CBOR,
//! `[v, author, boot_epoch, seq, backlink, deps, time, contract_hash, kind,
//! body_bytes, body_hash, body, signature]`. Its id is the BLAKE3 hash, with a
//! domain tag, of the encodings of the items before the body: the body is in it by
//! its length and hash, so that a header can be checked without the body. The
//! signature is Ed25519 over the id.
//!
//! The body is the encoding of what is said, as a byte string, so that the log
//! keeps and passes on what it does not understand. An [`Envelope`] of the
//! vocabulary is the readable view of an entry: [`Draft::of_envelope`] and
//! [`Entry::envelope`] go both ways.

use cosmosmesh_identity::SecretKey;
use cosmosmesh_mission::cbor::{Reader, Writer};
use cosmosmesh_mission::{
    AuthorId, BootEpoch, Canonical, ContractHash, DecodeError, EncodeError, Envelope, Invalid,
    MessageId, Payload, Refusal, Seq, Signature, UtcSeconds, Version,
};
use thiserror::Error;

use crate::limits::{MAX_BODY_BYTES, MAX_DEPS, MAX_ENTRY_BYTES};
use crate::stub::Stub;

/// What kind of thing a body says: the number of a [`Payload`], or one of the
/// log's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u64);

impl Kind {
    /// A vote for a [`Checkpoint`](crate::Checkpoint).
    pub const CHECKPOINT: Self = Self(64);
    /// A [`Revocation`](crate::Revocation) of an author.
    pub const REVOCATION: Self = Self(65);
    /// A closer's [`Vote`](crate::Vote) for what a round opens with.
    pub const VOTE: Self = Self(66);
    /// A closer's [`Status`](crate::Status): it has given up an attempt.
    pub const STATUS: Self = Self(67);
}

/// What is signed, body aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who says it.
    pub author: AuthorId,
    /// How often the author has started afresh.
    pub boot_epoch: BootEpoch,
    /// The position in the author's chain since then.
    pub seq: Seq,
    /// The author's entry before this one; absent in its first only.
    pub backlink: Option<MessageId>,
    /// Entries of others that this one follows from, strictly increasing.
    pub deps: Vec<MessageId>,
    /// When it was said. Advisory: nothing is decided by it.
    pub time: UtcSeconds,
    /// The contract that the author holds.
    pub contract_hash: ContractHash,
    /// How to read the body.
    pub kind: Kind,
    /// How long the body is.
    pub body_bytes: u32,
    /// The hash of the body.
    pub body_hash: [u8; 32],
}

/// What is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who says it.
    pub author: AuthorId,
    /// How often the author has started afresh.
    pub boot_epoch: BootEpoch,
    /// The position in the author's chain since then.
    pub seq: Seq,
    /// The author's entry before this one.
    pub backlink: Option<MessageId>,
    /// Entries of others that this one follows from, in any order.
    pub deps: Vec<MessageId>,
    /// When it is said.
    pub time: UtcSeconds,
    /// The contract.
    pub contract_hash: ContractHash,
    /// How to read the body.
    pub kind: Kind,
    /// The encoding of what is said.
    pub body: Vec<u8>,
}

/// A well-formed entry: canonical, within the limits, body and hash agree. Its
/// signature is not checked yet; see [`Terms::verify`](crate::Terms::verify).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    id: MessageId,
    header: Header,
    body: Box<[u8]>,
    signature: Signature,
}

/// Why bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// They are not its one encoding.
    #[error("not an entry: {0}")]
    Decode(#[from] DecodeError),
    /// They are too many.
    #[error("an entry of {actual} bytes, the most is {limit}")]
    TooLarge {
        /// The most that is allowed.
        limit: usize,
        /// What was met.
        actual: usize,
    },
    /// The body is not the one that the header names.
    #[error("the body's length or hash is not the one in the header")]
    BodyHash,
    /// The body is not what its kind says.
    #[error("the body is no payload of kind {kind}: {reason}")]
    Body {
        /// The kind.
        kind: u64,
        /// What is wrong.
        reason: DecodeError,
    },
    /// The kind is none of the vocabulary's.
    #[error("kind {0} is no payload of the vocabulary")]
    Kind(u64),
}

/// A hasher for one purpose, its context key computed once.
macro_rules! hasher {
    ($tag:literal) => {{
        static KEY: std::sync::OnceLock<[u8; 32]> = std::sync::OnceLock::new();
        blake3::Hasher::new_from_context_key(
            KEY.get_or_init(|| blake3::hazmat::hash_derive_key_context($tag)),
        )
    }};
}
pub(crate) use hasher;

use blake3::hazmat::HasherExt as _;

fn body_hash(body: &[u8]) -> [u8; 32] {
    *hasher!("cosmosmesh v1 entry body")
        .update(body)
        .finalize()
        .as_bytes()
}

/// The id of the entry whose header has these items.
pub(crate) fn id_of(items: &[u8]) -> MessageId {
    MessageId(
        *hasher!("cosmosmesh v1 entry")
            .update(items)
            .finalize()
            .as_bytes(),
    )
}

/// How many items a header has.
pub(crate) const HEADER_ITEMS: usize = 11;

impl Header {
    fn check(&self) -> Result<(), Invalid> {
        if self.deps.len() > MAX_DEPS {
            return Err(Invalid::OutOfRange {
                what: "dependencies",
                least: 0,
                most: MAX_DEPS as i128,
                actual: self.deps.len() as i128,
            });
        }
        if let Some(index) = self.deps.windows(2).position(|two| two[0] >= two[1]) {
            let index = index + 1;
            return Err(Invalid::Order {
                what: "deps",
                index,
            });
        }
        if self.body_bytes as usize > MAX_BODY_BYTES {
            return Err(Invalid::OutOfRange {
                what: "body_bytes",
                least: 0,
                most: MAX_BODY_BYTES as i128,
                actual: i128::from(self.body_bytes),
            });
        }
        if self.seq > Seq(0) && self.backlink.is_none() {
            return Err(Invalid::Missing { what: "backlink" });
        }
        match self.backlink {
            Some(backlink) if self.deps.binary_search(&backlink).is_ok() => {
                Err(Invalid::Disagree {
                    left: "deps",
                    right: "backlink",
                })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn write_items(&self, writer: &mut Writer) {
        writer.check(self.check());
        Version::V1.write(writer);
        self.author.write(writer);
        self.boot_epoch.write(writer);
        self.seq.write(writer);
        self.backlink.write(writer);
        self.deps.write(writer);
        self.time.write(writer);
        self.contract_hash.write(writer);
        writer.unsigned(self.kind.0);
        self.body_bytes.write(writer);
        writer.bytes(&self.body_hash);
    }

    pub(crate) fn read_items(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        Version::read(reader)?;
        let header = Self {
            author: Canonical::read(reader)?,
            boot_epoch: Canonical::read(reader)?,
            seq: Canonical::read(reader)?,
            backlink: Canonical::read(reader)?,
            deps: Canonical::read(reader)?,
            time: Canonical::read(reader)?,
            contract_hash: Canonical::read(reader)?,
            kind: Kind(reader.unsigned()?),
            body_bytes: Canonical::read(reader)?,
            body_hash: ContractHash::read(reader)?.0,
        };
        reader.check(at, header.check())?;
        Ok(header)
    }

    /// Roughly the memory that the entry takes.
    pub(crate) fn weight(&self) -> usize {
        self.body_bytes as usize + 32 * self.deps.len() + 320
    }

    /// The entries that must be there before this one: the backlink and the
    /// dependencies.
    pub fn parents(&self) -> impl Iterator<Item = &MessageId> {
        self.backlink.iter().chain(&self.deps)
    }
}

impl Draft {
    /// What `envelope` says, and what it follows from.
    ///
    /// The envelope's own id plays no part: back link and dependencies are ids
    /// of entries.
    ///
    /// # Errors
    /// An envelope that breaks a rule is not encoded.
    pub fn of_envelope(envelope: &Envelope, deps: Vec<MessageId>) -> Result<Self, EncodeError> {
        envelope.check()?;
        Ok(Self {
            author: envelope.author.clone(),
            boot_epoch: envelope.boot_epoch,
            seq: envelope.seq,
            backlink: envelope.backlink,
            deps,
            time: envelope.time,
            contract_hash: envelope.contract_hash,
            kind: Kind(envelope.payload.kind()),
            body: envelope.payload.to_body()?,
        })
    }

    /// Signs. Dependencies are sorted, doubles and the back link left out.
    /// Whether `key` is the author's is not checked here: whoever takes the
    /// entry in will.
    ///
    /// # Errors
    /// Names the limit or rule that is broken.
    pub fn sign(self, key: &SecretKey) -> Result<Entry, EncodeError> {
        if self.body.len() > MAX_BODY_BYTES {
            return Err(EncodeError::TooLarge {
                limit: MAX_BODY_BYTES,
                actual: self.body.len(),
            });
        }
        let mut deps = self.deps;
        deps.sort_unstable();
        deps.dedup();
        deps.retain(|dep| Some(*dep) != self.backlink);
        let header = Header {
            author: self.author,
            boot_epoch: self.boot_epoch,
            seq: self.seq,
            backlink: self.backlink,
            deps,
            time: self.time,
            contract_hash: self.contract_hash,
            kind: self.kind,
            body_bytes: self.body.len() as u32,
            body_hash: body_hash(&self.body),
        };
        let Stub { id, header } = Stub::of(header)?;
        Ok(Entry {
            id,
            signature: Signature(key.sign(&id.0)),
            header,
            body: self.body.into(),
        })
    }
}

/// An entry as it is read: with the place of its header's items.
struct Wire {
    entry: Entry,
    items: std::ops::Range<usize>,
}

impl Canonical for Wire {
    fn write(&self, writer: &mut Writer) {
        self.entry.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(HEADER_ITEMS + 2, |reader| {
            let start = reader.offset();
            let header = Header::read_items(reader)?;
            let items = start..reader.offset();
            Ok(Self {
                entry: Entry {
                    id: MessageId([0; 32]),
                    header,
                    body: reader.blob(MAX_BODY_BYTES)?.into(),
                    signature: Canonical::read(reader)?,
                },
                items,
            })
        })
    }
}

impl Entry {
    fn write(&self, writer: &mut Writer) {
        writer.array(HEADER_ITEMS + 2, |writer| {
            self.header.write_items(writer);
            writer.blob(MAX_BODY_BYTES, &self.body);
            self.signature.write(writer);
        });
    }

    /// Reads the one encoding of an entry.
    ///
    /// # Errors
    /// Refuses what is malformed, not canonical, too big, followed by anything,
    /// of another version, or whose body is not the one that it names.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLarge {
                limit: MAX_ENTRY_BYTES,
                actual: bytes.len(),
            });
        }
        let Wire { mut entry, items } = Wire::from_cbor(bytes)?;
        let same_length = entry.body.len() == entry.header.body_bytes as usize;
        if !same_length || body_hash(&entry.body) != entry.header.body_hash {
            return Err(EntryError::BodyHash);
        }
        entry.id = id_of(&bytes[items]);
        Ok(entry)
    }

    /// The one encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        Wire {
            entry: self.clone(),
            items: 0..0,
        }
        .to_cbor()
        .expect("an entry is checked when it is made")
    }

    /// Its identity.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// What is signed, body aside.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The encoding of what is said.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The signature over the id.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What it says, in the vocabulary's terms.
    ///
    /// # Errors
    /// Refuses kinds that are none of the vocabulary's and bodies that break
    /// their rules.
    pub fn envelope(&self) -> Result<Envelope, EntryError> {
        let kind = self.header.kind.0;
        let body = |reason| EntryError::Body { kind, reason };
        let payload = Payload::from_body(kind, &self.body).map_err(body)?;
        let envelope = Envelope {
            version: Version::V1,
            contract_hash: self.header.contract_hash,
            author: self.header.author.clone(),
            boot_epoch: self.header.boot_epoch,
            seq: self.header.seq,
            backlink: self.header.backlink,
            time: self.header.time,
            payload: payload.ok_or(EntryError::Kind(kind))?,
        };
        let invalid = |invalid| {
            body(DecodeError {
                offset: 0,
                reason: Refusal::Invalid(invalid),
            })
        };
        envelope.check().map_err(invalid)?;
        Ok(envelope)
    }
}
