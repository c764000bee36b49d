//! The most of everything. All of it is refused before it costs anything.

/// The most bytes that the body of one entry may have.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// The most entries, besides the one before it, that one entry may name.
pub const MAX_DEPS: usize = 256;
/// The most bytes that one encoded entry may have: the body and a header with
/// as many dependencies as there may be.
pub const MAX_ENTRY_BYTES: usize = MAX_BODY_BYTES + 40 * MAX_DEPS + 1024;
/// The longest chain of parents. One entry a millisecond needs fifty days.
pub const MAX_DEPTH: u32 = u32::MAX - 1;
/// The most entries of one author that may wait for their parents.
pub const MAX_PENDING_ENTRIES: usize = 1024;
/// The most bytes that the waiting entries of one author may have.
pub const MAX_PENDING_BYTES: usize = 4 << 20;
/// The most authors that one log may have.
pub const MAX_AUTHORS: usize = 4096;
