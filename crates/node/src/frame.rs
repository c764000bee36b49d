//! What nodes send each other: entries, and unsigned questions about entries.

use cosmosmesh_coordination::closing::ask::{Ask, MOST_WANTED};
use cosmosmesh_log::{MAX_AUTHORS, MAX_ENTRY_BYTES, Verified};
use cosmosmesh_mission::cbor::{Reader, Writer};
use cosmosmesh_mission::{Canonical, DecodeError, MessageId, Refusal, Round};

/// The bytes of entries after which a further frame is begun.
const FULL_BYTES: usize = 4 << 20;

/// One frame. Its encoding is canonical; nothing in it but entries is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Encoded entries.
    Entries(Vec<Vec<u8>>),
    /// Asks a closer for what was lost.
    Ask(Ask),
    /// Asks what the receiver holds of the sender, and for what the sender lacks of it.
    HeadAsked(Ask),
    /// The last entry that the sender holds of the receiver, if it holds any.
    Head(Option<MessageId>),
}

impl Frame {
    /// Frames for entries: one, unless they are very many.
    pub fn of_entries(entries: &[Verified]) -> Vec<Self> {
        let mut frames = Vec::new();
        let (mut now, mut bytes) = (Vec::new(), 0);
        for entry in entries.iter().map(|e| e.entry().to_bytes()) {
            if bytes + entry.len() > FULL_BYTES && !now.is_empty() {
                frames.push(Self::Entries(std::mem::take(&mut now)));
                bytes = 0;
            }
            bytes += entry.len();
            now.push(entry);
        }
        if !now.is_empty() {
            frames.push(Self::Entries(now));
        }
        frames
    }
}

fn write_ask(writer: &mut Writer, code: u64, ask: &Ask) {
    writer.array(5, |writer| {
        writer.unsigned(code);
        writer.unsigned(ask.round.into());
        writer.array(ask.have.len(), |writer| {
            ask.have.iter().for_each(|n| writer.unsigned(*n));
        });
        writer.array(ask.ends.len(), |writer| {
            ask.ends.iter().for_each(|id| id.write(writer));
        });
        writer.array(ask.want.len(), |writer| {
            ask.want.iter().for_each(|id| id.write(writer));
        });
    });
}

fn read_ask(reader: &mut Reader<'_>) -> Result<Ask, DecodeError> {
    let at = reader.offset();
    let ask = Ask {
        round: Round::read(reader)?.0,
        have: reader.list(Reader::unsigned)?,
        ends: reader.list(MessageId::read)?,
        want: reader.list(MessageId::read)?,
    };
    let ids = ask.ends.len().max(ask.want.len());
    if ask.have.len() > MAX_AUTHORS || ids > MOST_WANTED {
        let expected = "no more numbers than authors, and few ids";
        return Err(reader.refuse(at, Refusal::Unexpected { expected }));
    }
    Ok(ask)
}

impl Canonical for Frame {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Entries(entries) => writer.array(2, |writer| {
                writer.unsigned(0);
                writer.array(entries.len(), |writer| {
                    for entry in entries {
                        writer.blob(MAX_ENTRY_BYTES, entry);
                    }
                });
            }),
            Self::Ask(ask) => write_ask(writer, 1, ask),
            Self::HeadAsked(ask) => write_ask(writer, 2, ask),
            Self::Head(head) => writer.array(2, |writer| {
                writer.unsigned(3);
                head.write(writer);
            }),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        reader.variant(|reader, code, fields| match (code, fields) {
            (0, 1) => {
                let entry = |reader: &mut Reader<'_>| Ok(reader.blob(MAX_ENTRY_BYTES)?.to_vec());
                Ok(Self::Entries(reader.list(entry)?))
            }
            (1, 4) => Ok(Self::Ask(read_ask(reader)?)),
            (2, 4) => Ok(Self::HeadAsked(read_ask(reader)?)),
            (3, 1) => Ok(Self::Head(Canonical::read(reader)?)),
            _ => Err(reader.refuse(
                at,
                Refusal::UnknownCode {
                    kind: "frame",
                    code,
                },
            )),
        })
    }
}
