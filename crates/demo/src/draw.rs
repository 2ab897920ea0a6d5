//! Draws that depend on the seed and on what is drawn, never on what was drawn before: any hour of
//! the company can be made without the hours before it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a sequence of draws is for; each has numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Calendar = 1,
    Accounts = 2,
    Users = 3,
    Signups = 4,
    Usage = 5,
    Answers = 6,
    Subscriptions = 7,
    Payments = 8,
    Opportunities = 9,
    Tickets = 10,
}

/// A sequence of draws.
#[derive(Debug)]
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The sequence for one topic and one index of it.
    pub(crate) fn new(seed: u64, topic: Topic, index: u64) -> Self {
        let mixed = mix(seed ^ mix((topic as u64) << 48 ^ index));
        Self(ChaCha8Rng::seed_from_u64(mixed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; 0 when nothing is there to choose from.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.0.next_u64()) * bound as u128;
        (wide >> 64) as usize
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = usize::try_from(high - low + 1).unwrap_or(1);
        low + self.below(width) as i64
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in so many of a thousand draws.
    pub(crate) fn chance(&mut self, per_thousand: usize) -> bool {
        self.below(1_000) < per_thousand
    }

    /// One of the list.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Index into weights that are added up already.
    pub(crate) fn weighted(&mut self, cumulative: &[u32]) -> usize {
        let total = cumulative.last().copied().unwrap_or(1);
        let drawn = self.below(total as usize) as u32;
        cumulative.partition_point(|&edge| edge <= drawn)
    }
}

/// Spreads a number over all bits (the finaliser of splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
