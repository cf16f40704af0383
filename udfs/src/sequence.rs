//! Sequences of random numbers: each number is a function of the sequence's key and its place, so that rows need no state
//! but their place.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far the rows of one call have come in their sequences.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    next: AtomicU64,
}

impl Sequence {
    /// The first of so many places that nobody else gets.
    pub(crate) fn take(&self, rows: usize) -> u64 {
        self.next.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed)
    }
}

/// The key of the sequence of a seed. Seeds that differ in one bit have keys that differ in half of theirs.
pub(crate) fn key_of(seed: i64) -> u64 {
    mixed(seed.cast_unsigned() ^ 0x6a09_e667_f3bc_c908)
}

/// The number at a place of a sequence: at least 0 and below 1, all multiples of 2^-53 equally likely (SplitMix64).
#[inline]
pub(crate) fn uniform(key: u64, place: u64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let bits = mixed(key.wrapping_add(place.wrapping_add(1).wrapping_mul(STEP)));
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Bits each of which hangs on all of those given; none of them gets lost.
#[inline]
pub(crate) fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Sequence, key_of, uniform};

    #[test]
    fn numbers_are_even_and_uncorrelated() {
        const COUNT: u64 = 100_000;
        for seed in [0, 1, -1, 42, i64::MAX] {
            let numbers: Vec<f64> = (0..COUNT).map(|place| uniform(key_of(seed), place)).collect();
            assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
            // Mean, variance and the correlation of neighbours, each within five of its own standard deviations.
            let count = COUNT as f64;
            let mean = numbers.iter().sum::<f64>() / count;
            let variance = numbers.iter().map(|number| (number - 0.5).powi(2)).sum::<f64>() / count;
            let neighbours = numbers.windows(2).map(|pair| (pair[0] - 0.5) * (pair[1] - 0.5)).sum::<f64>() / count;
            assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / count).sqrt(), "{seed}: {mean}");
            assert!((variance - 1.0 / 12.0).abs() < 5.0 * (1.0 / 180.0 / count).sqrt(), "{seed}: {variance}");
            assert!(neighbours.abs() < 5.0 / 12.0 / count.sqrt(), "{seed}: {neighbours}");
        }
        assert_ne!(uniform(key_of(1), 0), uniform(key_of(2), 0));
    }

    #[test]
    fn the_first_numbers_of_splitmix64() {
        // The published test vector of SplitMix64 for the state 1234567: 6457827717110365317, 3203168211198807973.
        assert_eq!(uniform(1_234_567, 0), (6_457_827_717_110_365_317_u64 >> 11) as f64 / 2_f64.powi(53));
        assert_eq!(uniform(1_234_567, 1), (3_203_168_211_198_807_973_u64 >> 11) as f64 / 2_f64.powi(53));
    }

    #[test]
    fn places_are_given_once() {
        let sequence = Sequence::default();
        assert_eq!((sequence.take(3), sequence.take(0), sequence.take(2), sequence.take(1)), (0, 3, 3, 5));
    }
}
