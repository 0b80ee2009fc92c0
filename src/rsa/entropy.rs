//! Randomness for the search for primes, through an interface that cannot report a failure.

use core::convert::Infallible;

use ::rsa::rand_core::{TryCryptoRng, TryRng};

/// Passes a source on, and remembers when it fails.
///
/// The search takes a generator that cannot fail, and the usual adapter panics. This one goes on
/// with numbers that only serve to end the search; what was found then must be thrown away.
pub(super) struct Entropy<R> {
    source: R,
    failed: bool,
    filler: u64,
}

impl<R> Entropy<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, failed: false, filler: 0 }
    }

    /// True where the source failed at any time.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }
}

impl<R: TryRng> TryRng for Entropy<R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if self.failed || self.source.try_fill_bytes(bytes).is_err() {
            self.failed = true;
            for byte in bytes {
                // Knuth's MMIX generator: the search needs numbers that differ, no more.
                self.filler = self
                    .filler
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let [high, ..] = self.filler.to_be_bytes();
                *byte = high;
            }
        }
        Ok(())
    }
}

impl<R: TryCryptoRng> TryCryptoRng for Entropy<R> {}
