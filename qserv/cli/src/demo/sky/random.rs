//! Independent, seeded streams of random numbers.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream's numbers are for. Two purposes never share numbers, so that a change in one leaves the other's rows as
/// they were.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Survey = 1,
    Objects = 2,
    CoaddPhotometry = 3,
    LightCurves = 4,
    Orphans = 5,
}

/// The random numbers of one block for one purpose. Blocks can be made in any order and on any thread.
pub(super) struct Stream {
    generator: ChaCha8Rng,
    /// The second value of the last Box-Muller pair.
    spare_normal: Option<f64>,
}

impl Stream {
    pub(super) fn new(seed: u64, purpose: Purpose, block: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(((purpose as u64) << 56) | block);
        Self { generator, spare_normal: None }
    }

    /// Uniform in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        self.generator.random::<f64>()
    }

    /// Uniform in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform over 0..count; 0 if `count` is 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { self.generator.random_range(0..count) }
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Normal with mean 0 and standard deviation 1 (Box-Muller).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        // 1 - u is in (0, 1]: its logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare_normal = Some(radius * sine);
        radius * cosine
    }

    /// Exponential with this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }
}
