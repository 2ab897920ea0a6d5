//! Secrets: drawn from the operating system, kept as digests, compared in constant time.

use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::AccessError;

/// Random bytes in a token, a session or a salt that must not be guessed.
const SECRET_BYTES: usize = 32;
/// Letters of a password that is made, without those that are easily confused.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
/// Length of a password that is made: 100 random bits.
const PASSWORD_LETTERS: usize = 20;

/// Random bytes of the operating system.
///
/// Only secrets come from here: everything a test must repeat asks `base::Randomness`.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], AccessError> {
    let mut bytes = [0_u8; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AccessError::Randomness)?;
    Ok(bytes)
}

/// A secret that cannot be guessed, safe in a header and a cookie.
pub(crate) fn secret(prefix: &str) -> Result<Secret<String>, AccessError> {
    let bytes = random::<SECRET_BYTES>()?;
    Ok(Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// A password that a person can read aloud.
pub(crate) fn password() -> Result<Secret<String>, AccessError> {
    let bytes = random::<PASSWORD_LETTERS>()?;
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: every letter is equally likely.
        text.push(char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    }
    Ok(Secret::new(text))
}

/// What is kept of a secret that cannot be guessed. Looking a digest up tells an attacker nothing
/// about the secret, however long the look takes.
pub(crate) fn digest_of(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}
