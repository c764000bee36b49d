//! Terms as JSON: what has to lie beside a log so that others can check it.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_identity::{KeyError, PublicKey};
use cosmosmesh_mission::{AuthorId, ContractHash, Invalid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::terms::{Quota, Terms, TermsError};

/// The most bytes that the text may have.
const MAX_JSON_BYTES: usize = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    contract_hash: ContractHash,
    /// Names to `did:key` texts.
    authors: BTreeMap<AuthorId, String>,
    authorities: BTreeSet<AuthorId>,
    closers: BTreeSet<AuthorId>,
    quorum: usize,
    #[serde(default)]
    quota: Quota,
}

/// Why a text is no terms.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TermsFileError {
    /// It is no JSON of this form.
    #[error("not the terms of a log: {0}")]
    Json(#[from] serde_json::Error),
    /// It is too long.
    #[error("{0} bytes, the most is {MAX_JSON_BYTES}")]
    TooLarge(usize),
    /// A name breaks its grammar.
    #[error(transparent)]
    Name(#[from] Invalid),
    /// A key is none.
    #[error("the key of {author}: {reason}")]
    Key {
        /// Whose.
        author: AuthorId,
        /// Why.
        reason: KeyError,
    },
    /// The roles do not fit.
    #[error(transparent)]
    Terms(#[from] TermsError),
}

impl Terms {
    /// Reads what [`to_json`](Self::to_json) writes.
    ///
    /// # Errors
    /// Says what is wrong with the text, a key or a role.
    pub fn from_json(text: &str) -> Result<Self, TermsFileError> {
        if text.len() > MAX_JSON_BYTES {
            return Err(TermsFileError::TooLarge(text.len()));
        }
        let document: Document = serde_json::from_str(text)?;
        let mut keys = BTreeMap::new();
        for (author, key) in document.authors {
            match key.parse::<PublicKey>() {
                Ok(key) => drop(keys.insert(author, key)),
                Err(reason) => return Err(TermsFileError::Key { author, reason }),
            }
        }
        Ok(Self::new(
            document.contract_hash,
            keys,
            &document.authorities,
            &document.closers,
            document.quorum,
        )?
        .with_quota(document.quota))
    }

    /// The terms as JSON.
    pub fn to_json(&self) -> String {
        let names = |is: &dyn Fn(crate::AuthorIx) -> bool| {
            let authors = self.authors().filter(|(at, _)| is(*at));
            authors.map(|(_, name)| name.clone()).collect()
        };
        let key = |(at, name): (crate::AuthorIx, &AuthorId)| {
            let key = self.key(at).expect("every author has a key");
            (name.clone(), key.to_string())
        };
        let document = Document {
            contract_hash: self.contract_hash(),
            authors: self.authors().map(key).collect(),
            authorities: names(&|at| self.is_authority(at)),
            closers: names(&|at| self.is_closer(at)),
            quorum: self.quorum(),
            quota: self.quota(),
        };
        let text = serde_json::to_string_pretty(&document);
        text.expect("names and texts have a JSON form") + "\n"
    }
}
