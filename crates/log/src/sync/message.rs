//! What is said in a meeting, and its encoding.

use cosmosmesh_mission::cbor::{Reader, Writer};
use cosmosmesh_mission::{Canonical, ContractHash, DecodeError, MessageId, Refusal};

use super::estimate::{Counters, MAX_ESTIMATE_BYTES};
use super::sketch::{MAX_SYMBOLS, SYMBOL_BYTES, Salt, Symbol};
use super::vector::Vector;
use crate::limits::MAX_ENTRY_BYTES;
use crate::terms::AuthorIx;

/// The most short ids that one message may ask for.
const MAX_WANTED: usize = 1 << 16;
/// The most bytes of a message with entries; one of the longest always fits.
pub(crate) const MAX_ENTRIES_BYTES: usize = 8 << 20;

/// Where in a meeting a [`Hello`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It begins one.
    Open,
    /// It answers one.
    Reply,
    /// It acknowledges the answer.
    Close,
}

cosmosmesh_mission::canonical_enum!(Step {
    Open = 0,
    Reply = 1,
    Close = 2,
});

/// What one side has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Of which contract.
    pub contract_hash: ContractHash,
    /// Where it stands.
    pub step: Step,
    /// The vector that the claims change; none if they are all there are.
    pub base: Option<[u8; 8]>,
    /// The receiver's vector that the sender knows.
    pub saw: Option<[u8; 8]>,
    /// What the sender has.
    pub claims: Vector,
    /// The digest of the sender's set.
    pub digest: [u8; 32],
    /// How many messages with entries or headers follow at once.
    pub follow: u32,
    /// Whether the budget kept entries back.
    pub cut: bool,
    /// Whether an [`Estimate`](Message::Estimate) follows.
    pub asks: bool,
    /// How far the sender got with the past of a checkpoint.
    pub progress: Option<Progress>,
}

/// Where the past of a checkpoint broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of which checkpoint.
    pub checkpoint: [u8; 8],
    /// The last entry that came.
    pub after: MessageId,
}

/// Whose entries are compared; no authors at all means all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(pub Vec<AuthorIx>);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What the sender has.
    Hello(Hello),
    /// Encoded entries, parents first.
    Entries(Vec<Vec<u8>>),
    /// Asks for a sketch, and says how large it should be.
    Estimate(Salt, Scope, Counters),
    /// Symbols from the given one on.
    Sketch(Salt, Scope, u32, Vec<Symbol>),
    /// Asks for more symbols from the given one on.
    More(Salt, Scope, u32),
    /// Asks for entries by how their short ids begin, strictly increasing.
    Want(Salt, Scope, Vec<u32>),
    /// Encoded votes of a quorum for a checkpoint that the sender pruned behind.
    Checkpoint(Vec<Vec<u8>>),
    /// Of which checkpoint; which entry came before; and what the sender has of that
    /// checkpoint's past, whole or headers, children first.
    Outline([u8; 8], Option<MessageId>, Vec<Vec<u8>>),
}

fn flag(writer: &mut Writer, flag: bool) {
    writer.unsigned(u64::from(flag));
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    let at = reader.offset();
    match reader.unsigned()? {
        0 => Ok(false),
        1 => Ok(true),
        code => Err(reader.refuse(at, Refusal::UnknownCode { kind: "flag", code })),
    }
}

fn fixed<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], DecodeError> {
    let at = reader.offset();
    let bytes = reader.bytes()?;
    bytes.try_into().map_err(|_| {
        let (expected, actual) = (N as u64, bytes.len() as u64);
        reader.refuse(at, Refusal::WrongLength { expected, actual })
    })
}

fn optional(writer: &mut Writer, bytes: Option<[u8; 8]>) {
    match bytes {
        Some(bytes) => writer.bytes(&bytes),
        None => writer.null(),
    }
}

fn read_optional(reader: &mut Reader<'_>) -> Result<Option<[u8; 8]>, DecodeError> {
    if reader.take_null()? {
        return Ok(None);
    }
    fixed(reader).map(Some)
}

fn entries(writer: &mut Writer, entries: &[Vec<u8>]) {
    writer.array(entries.len(), |writer| {
        for entry in entries {
            writer.blob(MAX_ENTRY_BYTES, entry);
        }
    });
}

fn read_entries(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, DecodeError> {
    reader.list(|reader| Ok(reader.blob(MAX_ENTRY_BYTES)?.to_vec()))
}

impl Canonical for Scope {
    fn write(&self, writer: &mut Writer) {
        writer.array(self.0.len(), |writer| {
            for author in &self.0 {
                author.0.write(writer);
            }
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let authors = std::collections::BTreeSet::<u32>::read(reader)?;
        Ok(Self(authors.into_iter().map(AuthorIx).collect()))
    }
}

fn read_progress(reader: &mut Reader<'_>) -> Result<Option<Progress>, DecodeError> {
    let at = reader.offset();
    let (checkpoint, after) = (read_optional(reader)?, Canonical::read(reader)?);
    match (checkpoint, after) {
        (None, None) => Ok(None),
        (Some(checkpoint), Some(after)) => Ok(Some(Progress { checkpoint, after })),
        _ => {
            let expected = "a checkpoint and an entry, or neither";
            Err(reader.refuse(at, Refusal::Unexpected { expected }))
        }
    }
}

/// Items of `N` bytes one after the other in one string.
fn packed<const N: usize, T>(
    reader: &mut Reader<'_>,
    limit: usize,
    item: impl Fn(&[u8; N]) -> T,
) -> Result<Vec<T>, DecodeError> {
    let at = reader.offset();
    let bytes = reader.blob(limit * N)?;
    let items = bytes.chunks_exact(N);
    if !items.remainder().is_empty() {
        let expected = "a whole number of items";
        return Err(reader.refuse(at, Refusal::Unexpected { expected }));
    }
    Ok(items
        .map(|bytes| item(bytes.try_into().expect("N bytes")))
        .collect())
}

const START_BYTES: usize = 4;

impl Canonical for Message {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Hello(hello) => writer.array(12, |writer| {
                writer.unsigned(0);
                hello.contract_hash.write(writer);
                hello.step.write(writer);
                optional(writer, hello.base);
                optional(writer, hello.saw);
                hello.claims.write(writer);
                MessageId(hello.digest).write(writer);
                hello.follow.write(writer);
                flag(writer, hello.cut);
                flag(writer, hello.asks);
                let progress = hello.progress.as_ref();
                optional(writer, progress.map(|progress| progress.checkpoint));
                progress.map(|progress| progress.after).write(writer);
            }),
            Self::Entries(entries) => writer.array(2, |writer| {
                writer.unsigned(1);
                self::entries(writer, entries);
            }),
            Self::Estimate(salt, scope, counters) => writer.array(4, |writer| {
                writer.unsigned(2);
                writer.bytes(&salt.0);
                scope.write(writer);
                writer.blob(MAX_ESTIMATE_BYTES, &counters.to_bytes());
            }),
            Self::Sketch(salt, scope, from, symbols) => writer.array(5, |writer| {
                writer.unsigned(3);
                writer.bytes(&salt.0);
                scope.write(writer);
                from.write(writer);
                let bytes: Vec<u8> = symbols
                    .iter()
                    .flat_map(|symbol| symbol.to_bytes())
                    .collect();
                writer.blob(MAX_SYMBOLS * SYMBOL_BYTES, &bytes);
            }),
            Self::More(salt, scope, from) => writer.array(4, |writer| {
                writer.unsigned(4);
                writer.bytes(&salt.0);
                scope.write(writer);
                from.write(writer);
            }),
            Self::Want(salt, scope, wanted) => writer.array(4, |writer| {
                writer.unsigned(5);
                writer.bytes(&salt.0);
                scope.write(writer);
                let bytes: Vec<u8> = wanted
                    .iter()
                    .flat_map(|start| start.to_le_bytes())
                    .collect();
                writer.blob(MAX_WANTED * START_BYTES, &bytes);
            }),
            Self::Checkpoint(votes) => writer.array(2, |writer| {
                writer.unsigned(6);
                entries(writer, votes);
            }),
            Self::Outline(checkpoint, after, items) => writer.array(4, |writer| {
                writer.unsigned(7);
                writer.bytes(checkpoint);
                after.write(writer);
                entries(writer, items);
            }),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        reader.variant(|reader, code, fields| match (code, fields) {
            (0, 11) => Ok(Self::Hello(Hello {
                contract_hash: Canonical::read(reader)?,
                step: Canonical::read(reader)?,
                base: read_optional(reader)?,
                saw: read_optional(reader)?,
                claims: Canonical::read(reader)?,
                digest: MessageId::read(reader)?.0,
                follow: Canonical::read(reader)?,
                cut: read_flag(reader)?,
                asks: read_flag(reader)?,
                progress: read_progress(reader)?,
            })),
            (1, 1) => read_entries(reader).map(Self::Entries),
            (6, 1) => read_entries(reader).map(Self::Checkpoint),
            (7, 3) => Ok(Self::Outline(
                fixed(reader)?,
                Canonical::read(reader)?,
                read_entries(reader)?,
            )),
            (2, 3) => {
                let (salt, scope) = (Salt(fixed(reader)?), Canonical::read(reader)?);
                let at = reader.offset();
                let counters = Counters::from_bytes(reader.blob(MAX_ESTIMATE_BYTES)?);
                let expected = "the counters of an estimate";
                let counters =
                    counters.ok_or_else(|| reader.refuse(at, Refusal::Unexpected { expected }))?;
                Ok(Self::Estimate(salt, scope, counters))
            }
            (3, 4) => Ok(Self::Sketch(
                Salt(fixed(reader)?),
                Canonical::read(reader)?,
                Canonical::read(reader)?,
                packed(reader, MAX_SYMBOLS, Symbol::from_bytes)?,
            )),
            (4, 3) => Ok(Self::More(
                Salt(fixed(reader)?),
                Canonical::read(reader)?,
                Canonical::read(reader)?,
            )),
            (5, 3) => {
                let (salt, scope) = (Salt(fixed(reader)?), Canonical::read(reader)?);
                let at = reader.offset();
                let wanted = packed(reader, MAX_WANTED, |bytes: &[u8; START_BYTES]| {
                    u32::from_le_bytes(*bytes)
                })?;
                if wanted.windows(2).any(|two| two[0] >= two[1]) {
                    let expected = "short ids in increasing order";
                    return Err(reader.refuse(at, Refusal::Unexpected { expected }));
                }
                Ok(Self::Want(salt, scope, wanted))
            }
            _ => Err(reader.refuse(
                at,
                Refusal::UnknownCode {
                    kind: "Message",
                    code,
                },
            )),
        })
    }
}
