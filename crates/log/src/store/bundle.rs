//! Entries in one file, to be carried across: the form of a segment, alone.

use cosmosmesh_mission::ContractHash;

use super::frame::{self, FRAME_BYTES, HEADER_BYTES, Head};
use super::{Damage, StoreError};
use crate::stub::Stored;

/// The most bytes that a bundle may have: places in it are 32 bits wide.
const MAX_BUNDLE_BYTES: usize = u32::MAX as usize;

/// Entries of one contract as one file, pruned ones as stubs.
///
/// # Errors
/// They are more than 4 GiB.
pub fn write_bundle<'e>(
    contract: ContractHash,
    entries: impl IntoIterator<Item = &'e Stored>,
) -> Result<Vec<u8>, StoreError> {
    let mut into = frame::header(0, contract).to_vec();
    for entry in entries {
        let bytes = entry.to_bytes();
        if into.len() + FRAME_BYTES + bytes.len() > MAX_BUNDLE_BYTES {
            let large = std::io::ErrorKind::FileTooLarge;
            return Err(super::io("write a bundle of more than 4 GiB")(large.into()));
        }
        // All of one piece: a bundle that is cut is damaged.
        let offset = into.len() as u32;
        frame::write_frame(&mut into, 0, offset, HEADER_BYTES as u32, &bytes);
    }
    Ok(into)
}

/// The contract and the entries of a bundle called `file`, in its order.
///
/// # Errors
/// It is no bundle, of a later version, or damaged; damage names what is good.
pub fn read_bundle(file: &str, bytes: &[u8]) -> Result<(ContractHash, Vec<Stored>), StoreError> {
    let file = file.to_owned();
    let frames = frame::scan_segment(bytes, 0);
    let damage = |from, to, behind| Damage {
        file: file.clone(),
        from,
        to,
        good_before: frames.good.len() as u64,
        good_behind: behind,
    };
    let contract = match frame::read_header(bytes, 0) {
        Head::Good(contract) => contract,
        Head::Future(actual) => {
            return Err(StoreError::FutureVersion {
                file,
                known: frame::FORMAT_VERSION,
                actual,
            });
        }
        Head::Damaged => return Err(damage(0, HEADER_BYTES as u64, 0).into()),
        Head::Blank | Head::Foreign => return Err(StoreError::Foreign { file }),
    };
    if let Some(broken) = &frames.broken {
        let behind = broken.behind.len() as u64;
        return Err(damage(frames.end as u64, broken.to as u64, behind).into());
    }
    let read = |at: &u32| {
        let frame = frame::read_frame(bytes, 0, *at as usize);
        let payload = frame.expect("it was read just now").payload;
        Stored::from_bytes(payload).map_err(|source| StoreError::Entry {
            file: file.clone(),
            offset: u64::from(*at),
            source: Box::new(source),
        })
    };
    let entries = frames.good.iter().map(read).collect::<Result<_, _>>()?;
    Ok((contract, entries))
}
