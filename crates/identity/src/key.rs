//! Keys, and what they sign.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use thiserror::Error;

use crate::base58;

/// Multicodec `ed25519-pub`, as a varint.
const MULTICODEC: [u8; 2] = [0xed, 0x01];
const PREFIX: &str = "did:key:z";

/// A key that signs. It has no `Debug`, no text and no encoding; whoever keeps
/// it keeps the seed. It is wiped from memory when dropped.
pub struct SecretKey(SigningKey);

/// A key that signatures are checked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Why bytes or text are no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are no point of the curve.
    #[error("the bytes are no point of edwards25519")]
    NotOnCurve,
    /// A point of small order: signatures under it mean nothing.
    #[error("the key is a point of small order, under which any message verifies")]
    Weak,
    /// The text is no `did:key` of an Ed25519 key.
    #[error("expected {PREFIX}6Mk… (did:key of an Ed25519 key)")]
    Text,
}

/// The signature is not this key's over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature is not this key's over this message")]
pub struct BadSignature;

impl SecretKey {
    /// The key that follows from a seed. The seed must be secret and
    /// unpredictable; nothing here can check that.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// What others check its signatures with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs; the same message has the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl PublicKey {
    /// Checks and takes 32 bytes.
    ///
    /// # Errors
    /// Refuses what is no point of the curve and points of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotOnCurve)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self(key))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Checks a signature, strictly.
    ///
    /// # Errors
    /// It is not this key's over this message, or not in its one form.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| BadSignature)
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = MULTICODEC.to_vec();
        bytes.extend_from_slice(self.as_bytes());
        write!(f, "{PREFIX}{}", base58::encode(&bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text.strip_prefix(PREFIX).ok_or(KeyError::Text)?;
        let bytes = base58::decode(digits, 34).ok_or(KeyError::Text)?;
        let key = bytes.strip_prefix(&MULTICODEC).ok_or(KeyError::Text)?;
        Self::from_bytes(key.try_into().map_err(|_| KeyError::Text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyError, PublicKey, SecretKey};

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
    }

    #[test]
    fn rfc_8032_test_1() {
        let key = SecretKey::from_seed(hex(
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        ));
        assert_eq!(
            *key.public().as_bytes(),
            hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        );
        assert_eq!(
            key.sign(b""),
            hex::<64>(concat!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ))
        );
    }

    #[test]
    fn text_is_did_key() {
        let key = SecretKey::from_seed([1; 32]).public();
        let text = key.to_string();
        assert!(text.starts_with("did:key:z6Mk"), "{text}");
        assert_eq!(text.parse(), Ok(key));
        for broken in [
            "",
            "did:key:z",
            "did:key:zQ3sh",
            "z6Mk",
            &text[..text.len() - 1],
        ] {
            assert!(broken.parse::<PublicKey>().is_err(), "{broken}");
        }
    }

    #[test]
    fn weak_keys_and_flipped_signatures_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::from_bytes(&neutral), Err(KeyError::Weak));
        let key = SecretKey::from_seed([2; 32]);
        let signature = key.sign(b"x");
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.public().verify(b"x", &flipped).is_err(), "bit {bit}");
        }
    }
}
