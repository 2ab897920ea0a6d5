//! Randomness behind a trait, so that a test can repeat a run from its seed.

use std::sync::Mutex;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of random numbers.
pub trait Randomness: Send + Sync + std::fmt::Debug {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;

    /// Sixteen hexadecimal digits: the random part of a file name that is never used twice.
    fn token(&self) -> String {
        format!("{:016x}", self.next_u64())
    }
}

/// Repeatable randomness for tests and synthetic data.
#[derive(Debug)]
pub struct SeededRandomness(Mutex<ChaCha8Rng>);

impl SeededRandomness {
    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }
}

impl Randomness for SeededRandomness {
    fn next_u64(&self) -> u64 {
        let mut generator = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        generator.next_u64()
    }
}
