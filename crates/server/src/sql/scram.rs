//! SCRAM-SHA-256 from the server's side: the password itself is never sent, and never known here.

use access::Verifier;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};

use super::error::SqlError;

/// The only mechanism offered; channel binding needs TLS.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// One exchange, after its first message.
pub(super) struct Exchange {
    verifier: Verifier,
    first_bare: String,
    server_first: String,
    nonce: String,
    header: String,
}

fn malformed() -> SqlError {
    SqlError::fatal("08P01", "malformed SCRAM message")
}

fn attribute<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

impl Exchange {
    /// Answers the client's first message.
    pub(super) fn begin(
        message: &[u8],
        verifier: Verifier,
        own_nonce: &str,
    ) -> Result<(Self, String), SqlError> {
        let message = std::str::from_utf8(message).map_err(|_| malformed())?;
        // `n,,n=user,r=nonce`: no channel binding; the user's name was sent at startup.
        let (flag, rest) = message.split_once(',').ok_or_else(malformed)?;
        let (identity, bare) = rest.split_once(',').ok_or_else(malformed)?;
        if flag.starts_with('p') {
            return Err(SqlError::fatal("28000", "channel binding needs an encrypted connection"));
        }
        if !matches!(flag, "n" | "y") || !identity.is_empty() {
            return Err(malformed());
        }
        let client_nonce = attribute(bare, "r").filter(|nonce| !nonce.is_empty());
        let nonce = format!("{}{own_nonce}", client_nonce.ok_or_else(malformed)?);
        let salt = STANDARD.encode(&verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let exchange = Self {
            verifier,
            first_bare: bare.to_owned(),
            server_first: server_first.clone(),
            nonce,
            header: format!("{flag},,"),
        };
        Ok((exchange, server_first))
    }

    /// Checks the client's proof; the answer proves the server. None: the password is wrong.
    pub(super) fn finish(&self, message: &[u8]) -> Result<Option<String>, SqlError> {
        let message = std::str::from_utf8(message).map_err(|_| malformed())?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or_else(malformed)?;
        let proof = STANDARD.decode(proof).map_err(|_| malformed())?;
        let bound = attribute(without_proof, "c").ok_or_else(malformed)?;
        let same_channel = STANDARD.decode(bound).is_ok_and(|held| held == self.header.as_bytes());
        if !same_channel || attribute(without_proof, "r") != Some(&self.nonce) {
            return Err(malformed());
        }
        let said = format!("{},{},{without_proof}", self.first_bare, self.server_first);
        let signature = sign(&self.verifier.stored_key, said.as_bytes());
        if proof.len() != signature.as_ref().len() {
            return Ok(None);
        }
        let client_key: Vec<u8> =
            proof.iter().zip(signature.as_ref()).map(|(proof, sign)| proof ^ sign).collect();
        let stored = digest::digest(&digest::SHA256, &client_key);
        // Compared through a keyed hash, so that time tells nothing about the key.
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.nonce.as_bytes());
        let wanted = hmac::sign(&key, &self.verifier.stored_key);
        if hmac::verify(&key, stored.as_ref(), wanted.as_ref()).is_err() {
            return Ok(None);
        }
        let own = sign(&self.verifier.server_key, said.as_bytes());
        Ok(Some(format!("v={}", STANDARD.encode(own.as_ref()))))
    }
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}
