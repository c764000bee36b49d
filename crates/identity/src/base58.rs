//! Base58 with the alphabet of Bitcoin: the `z` of multibase.

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Writes bytes, leading zeros as leading ones.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    digits.resize(digits.len() + zeros, 0);
    digits
        .iter()
        .rev()
        .map(|digit| char::from(ALPHABET[usize::from(*digit)]))
        .collect()
}

/// Reads at most `limit` bytes; nothing if a character is outside the alphabet
/// or the text is too long. The cost is quadratic in `limit`, not in the text.
pub(crate) fn decode(text: &str, limit: usize) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    for character in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == character)?;
        let mut carry = digit as u32;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry as u8);
            carry >>= 8;
        }
        if bytes.len() > limit {
            return None;
        }
    }
    let zeros = text.bytes().take_while(|byte| *byte == b'1').count();
    if bytes.len() + zeros > limit {
        return None;
    }
    bytes.resize(bytes.len() + zeros, 0);
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn known_texts() {
        // Test vectors of draft-msporny-base58-03.
        assert_eq!(encode(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
        assert_eq!(encode(&[0, 0, 0x28, 0x7f, 0xb4, 0xcd]), "11233QC4");
        assert_eq!(
            decode("11233QC4", 6),
            Some(vec![0, 0, 0x28, 0x7f, 0xb4, 0xcd])
        );
        assert_eq!(decode("11233QC4", 5), None);
        assert_eq!(decode("0", 6), None);
        assert_eq!(decode(&"1".repeat(1 << 20), 6), None);
    }
}
