//! The form of a segment: a header, then frames with one entry each.
//!
//! Header, 64 bytes: magic, format version, number of the segment, contract,
//! zeros, checksum. Frame: magic, length, where the commit that it belongs to
//! began, checksum, entry. Integers are little-endian.
//!
//! The checksum is CRC-32C: entries prove themselves by hash and signature, so
//! that the frame has to find accidents only, torn sectors and flipped bits, and
//! it has to do so for gigabytes at every opening. It covers the number of the
//! segment and the place of the frame, so that a frame is whole only where it was
//! written.
//!
//! *Where the commit began* tells a torn tail from damage. A commit is begun only
//! when all before it is durable. So a whole frame whose commit began behind a
//! broken one proves that the broken one was durable once: damage, and nothing is
//! cut. Without such a frame the broken one was never acknowledged: it is cut.

use cosmosmesh_mission::ContractHash;

use crate::limits::MAX_ENTRY_BYTES;

/// The version of the form.
pub const FORMAT_VERSION: u32 = 1;

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const FRAME_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"CMESHLOG";
const FRAME_MAGIC: [u8; 4] = [0xc0, 0x5e, 0xf4, 0xa3];

/// What the first bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// A segment of a contract.
    Good(ContractHash),
    /// Nothing was written yet.
    Blank,
    /// Of a later version.
    Future(u32),
    /// A segment whose header has changed.
    Damaged,
    /// Something else.
    Foreign,
}

pub(crate) fn header(number: u32, contract: ContractHash) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..48].copy_from_slice(&contract.0);
    let sum = crc32c::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().expect("four bytes")))
}

pub(crate) fn read_header(bytes: &[u8], number: u32) -> Head {
    let Some(head) = bytes.get(..HEADER_BYTES) else {
        let blank = bytes.iter().all(|byte| *byte == 0);
        return if blank { Head::Blank } else { Head::Foreign };
    };
    if head.iter().all(|byte| *byte == 0) {
        return Head::Blank;
    }
    if head[..8] != *MAGIC {
        // One changed byte of eight is still ours; a frame behind it as well.
        let same = head[..8].iter().zip(MAGIC).filter(|(a, b)| a == b).count();
        return if same >= 6 {
            Head::Damaged
        } else {
            Head::Foreign
        };
    }
    let whole = word(head, 60) == Some(crc32c::crc32c(&head[..60]));
    let version = word(head, 8).expect("64 bytes");
    if whole && version != FORMAT_VERSION {
        return Head::Future(version);
    }
    if !whole || word(head, 12) != Some(number) {
        return Head::Damaged;
    }
    Head::Good(ContractHash(head[16..48].try_into().expect("32 bytes")))
}

/// Appends the frame of `payload` at `offset` of segment `number`.
pub(crate) fn write_frame(
    into: &mut Vec<u8>,
    number: u32,
    offset: u32,
    commit_start: u32,
    payload: &[u8],
) {
    let sum = checksum(number, offset, commit_start, payload);
    into.extend(FRAME_MAGIC);
    into.extend((payload.len() as u32).to_le_bytes());
    into.extend(commit_start.to_le_bytes());
    into.extend(sum.to_le_bytes());
    into.extend(payload);
}

fn checksum(number: u32, offset: u32, commit_start: u32, payload: &[u8]) -> u32 {
    let mut place = [0; 16];
    place[..4].copy_from_slice(&number.to_le_bytes());
    place[4..8].copy_from_slice(&offset.to_le_bytes());
    place[8..12].copy_from_slice(&commit_start.to_le_bytes());
    place[12..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), payload)
}

/// One whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'b> {
    pub(crate) commit_start: u32,
    pub(crate) payload: &'b [u8],
}

impl Frame<'_> {
    pub(crate) fn length(&self) -> usize {
        FRAME_BYTES + self.payload.len()
    }
}

/// The frame at `offset`, if a whole one stands there.
pub(crate) fn read_frame(bytes: &[u8], number: u32, offset: usize) -> Option<Frame<'_>> {
    let head = bytes.get(offset..offset.checked_add(FRAME_BYTES)?)?;
    if head[..4] != FRAME_MAGIC {
        return None;
    }
    let length = word(head, 4)? as usize;
    if length > MAX_ENTRY_BYTES {
        return None;
    }
    let start = offset + FRAME_BYTES;
    let payload = bytes.get(start..start.checked_add(length)?)?;
    let commit_start = word(head, 8)?;
    let sum = checksum(number, u32::try_from(offset).ok()?, commit_start, payload);
    (word(head, 12)? == sum).then_some(Frame {
        commit_start,
        payload,
    })
}

/// The next whole frame at or behind `from`.
pub(crate) fn resume(bytes: &[u8], number: u32, from: usize) -> Option<usize> {
    let mut at = from;
    while at + FRAME_BYTES <= bytes.len() {
        let found = bytes[at..]
            .windows(4)
            .position(|four| four == FRAME_MAGIC)?;
        at += found;
        if read_frame(bytes, number, at).is_some() {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// What stands in the bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// Where whole frames begin, up to the first that is broken.
    pub good: Vec<u32>,
    /// Where the last of them ends.
    pub end: usize,
    /// What follows that is no frame.
    pub broken: Option<Broken>,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where the next whole frame begins, or the bytes end.
    pub to: usize,
    /// Where whole frames behind it begin.
    pub behind: Vec<u32>,
    /// Whether the broken bytes were durable once.
    pub was_durable: bool,
}

/// Reads the frames of segment `number` from its bytes, whatever they are.
pub fn scan_segment(bytes: &[u8], number: u32) -> Frames {
    let mut at = HEADER_BYTES.min(bytes.len());
    let mut good = Vec::new();
    while let Some(frame) = read_frame(bytes, number, at) {
        good.push(at as u32);
        at += frame.length();
    }
    let end = at;
    if end == bytes.len() {
        return Frames {
            good,
            end,
            broken: None,
        };
    }
    let mut broken = Broken {
        to: bytes.len(),
        behind: Vec::new(),
        was_durable: false,
    };
    let mut from = end + 1;
    while let Some(found) = resume(bytes, number, from) {
        if broken.behind.is_empty() {
            broken.to = found;
        }
        let frame = read_frame(bytes, number, found).expect("it was read just now");
        broken.was_durable |= frame.commit_start as usize > end;
        broken.behind.push(found as u32);
        from = found + frame.length();
    }
    Frames {
        good,
        end,
        broken: Some(broken),
    }
}

/// Whether head and payload are the whole frame of their place.
pub(crate) fn is_whole(head: &[u8; FRAME_BYTES], number: u32, offset: u32, payload: &[u8]) -> bool {
    let commit_start = word(head, 8).expect("sixteen bytes");
    head[..4] == FRAME_MAGIC
        && word(head, 4) == Some(payload.len() as u32)
        && word(head, 12) == Some(checksum(number, offset, commit_start, payload))
}
