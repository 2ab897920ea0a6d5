//! The SCRAM-SHA-256 verifier of a password, in the form in which PostgreSQL keeps its own:
//! `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>` (RFC 5802, RFC 7677).

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use crate::AccessError;
use crate::secrets::random;

/// Rounds of PBKDF2: what RFC 7677 recommends; a client computes them at each log-in.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(15_000).expect("not zero");
/// Bytes of a salt.
const SALT_BYTES: usize = 16;
/// Bytes of a key of SHA-256.
const KEY_BYTES: usize = 32;
const SCHEME: &str = "SCRAM-SHA-256";

/// What is kept of a password: enough to check it, useless for logging in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Rounds of PBKDF2.
    pub iterations: NonZeroU32,
    /// The salt.
    pub salt: Vec<u8>,
    /// `H(HMAC(salted password, "Client Key"))`.
    pub stored_key: [u8; KEY_BYTES],
    /// `HMAC(salted password, "Server Key")`.
    pub server_key: [u8; KEY_BYTES],
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(***)")
    }
}

impl Verifier {
    /// The verifier of a password, under a salt of its own. Takes some milliseconds of a CPU.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn of(password: &str) -> Result<Self, AccessError> {
        Ok(Self::salted(password, &random::<SALT_BYTES>()?, ITERATIONS))
    }

    /// The verifier of a password under a salt.
    pub(crate) fn salted(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        let mut salted = [0_u8; KEY_BYTES];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored = digest::digest(&digest::SHA256, client_key.as_ref());
        let server = hmac::sign(&key, b"Server Key");
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: fixed(stored.as_ref()),
            server_key: fixed(server.as_ref()),
        }
    }

    /// A verifier that no password fits: what an unknown user is checked against, so that the
    /// answer takes as long and looks the same. The salt stays the same for a name.
    pub(crate) fn of_nobody(name: &str) -> Self {
        let salt = digest::digest(&digest::SHA256, format!("nobody/{name}").as_bytes());
        Self {
            iterations: ITERATIONS,
            salt: salt.as_ref()[..SALT_BYTES].to_vec(),
            stored_key: [0; KEY_BYTES],
            server_key: [0; KEY_BYTES],
        }
    }

    /// Whether a password fits, told in the same time whatever it is. Takes some milliseconds of
    /// a CPU.
    pub fn fits(&self, password: &str) -> bool {
        let shown = Self::salted(password, &self.salt, self.iterations);
        same(&shown.stored_key, &self.stored_key)
    }

    /// As PostgreSQL writes it.
    pub fn to_text(&self) -> String {
        let Self { iterations, salt, stored_key, server_key } = self;
        let (salt, stored) = (STANDARD.encode(salt), STANDARD.encode(stored_key));
        format!("{SCHEME}${iterations}:{salt}${stored}:{}", STANDARD.encode(server_key))
    }

    /// What [`Verifier::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        if parts.next() != Some(SCHEME) {
            return None;
        }
        let (iterations, salt) = parts.next()?.split_once(':')?;
        let (stored, server) = parts.next()?.split_once(':')?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            iterations: iterations.parse().ok()?,
            salt: STANDARD.decode(salt).ok()?,
            stored_key: STANDARD.decode(stored).ok()?.try_into().ok()?,
            server_key: STANDARD.decode(server).ok()?.try_into().ok()?,
        })
    }
}

fn fixed(bytes: &[u8]) -> [u8; KEY_BYTES] {
    bytes.try_into().expect("SHA-256 gives 32 bytes")
}

/// Whether two keys are the same, without a hint in time at where they differ.
fn same(left: &[u8; KEY_BYTES], right: &[u8; KEY_BYTES]) -> bool {
    left.iter().zip(right).fold(0_u8, |unlike, (a, b)| unlike | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_of_rfc_7677() {
        // The example of RFC 7677, section 3: user "user", password "pencil".
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::salted("pencil", &salt, NonZeroU32::new(4096).unwrap());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &verifier.server_key);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&key, message.as_bytes());
        let expected = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(STANDARD.encode(signature.as_ref()), expected);
    }

    #[test]
    fn a_verifier_survives_being_written_and_fits_its_password_alone() {
        let verifier = Verifier::of("correct horse").unwrap();
        let read = Verifier::from_text(&verifier.to_text()).unwrap();
        assert_eq!(read, verifier);
        assert!(read.fits("correct horse"));
        assert!(!read.fits("correct house"));
        assert!(!format!("{read:?}").contains(&STANDARD.encode(&read.salt)));
        assert_eq!(Verifier::from_text("md5abc"), None);
        assert!(!Verifier::of_nobody("eve").fits(""));
        assert_eq!(Verifier::of_nobody("eve"), Verifier::of_nobody("eve"));
    }
}
