//! Who says it: Ed25519 keys (RFC 8032) and the names that follow from them.
//! No I/O, no clock, no randomness: a seed is an argument.
//!
//! A [`PublicKey`] is checked when it is made: bytes that are no point of the
//! curve, or one of small order, are no key. Its text is `did:key` (multicodec
//! `ed25519-pub`, base58btc), so that other tools can read it. Verification is
//! strict (`verify_strict`): one message and one key have no second signature
//! that some verifiers take and others refuse, and signatures are never checked
//! in batches, where acceptance can depend on what else is in the batch.
//!
//! Rotation, membership and revocation are not here yet.
//!
//! ```
//! use cosmosmesh_identity::{PublicKey, SecretKey};
//! let key = SecretKey::from_seed([7; 32]);
//! let public = key.public();
//! let signature = key.sign(b"what is said");
//! assert!(public.verify(b"what is said", &signature).is_ok());
//! assert!(public.verify(b"something else", &signature).is_err());
//! assert_eq!(public.to_string().parse::<PublicKey>()?, public);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base58;
mod key;

pub use key::{BadSignature, KeyError, PublicKey, SecretKey};
