//! The operating system's random number generator, the engine's only source of randomness.

use alloc::boxed::Box;

use zeroize::optimization_barrier;

use crate::error::Error;

/// Fills `bytes` with random bytes.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|_| Error::Random)
}

/// Random bytes that are asked for many at a time and given out once each, where a request costs more than
/// the bytes do. Wiped as they are given, and on drop.
///
/// It lives as long as one call: a copy of the process or of the machine must not give out the same ones.
pub(crate) struct Supply {
    bytes: Box<[u8; SUPPLY_LEN]>,
    left: usize,
}

const SUPPLY_LEN: usize = 1024;

impl Supply {
    /// One that asks when it is first used.
    pub(crate) fn new() -> Self {
        Self { bytes: Box::new([0; SUPPLY_LEN]), left: 0 }
    }

    /// Fills `bytes`, at most 1,024, with random bytes that nobody else gets.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        if bytes.len() > self.left {
            self.left = 0;
            fill(&mut *self.bytes)?;
            self.left = SUPPLY_LEN;
        }
        let (unused, _) = self.bytes.split_at_mut(self.left);
        let rest = unused.len().checked_sub(bytes.len()).ok_or(Error::Random)?;
        let given = &mut unused[rest..];
        bytes.copy_from_slice(given);
        given.fill(0);
        optimization_barrier(given);
        self.left = rest;
        Ok(())
    }
}

impl Drop for Supply {
    fn drop(&mut self) {
        self.bytes.fill(0);
        optimization_barrier(&*self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No eight bytes are given out twice, also where the supply is filled again in between.
    #[test]
    fn a_supply_gives_each_byte_once() {
        let mut supply = Supply::new();
        let mut seen = std::collections::BTreeSet::new();
        for length in (0..60).map(|n| 8 * (n % 13)).chain([SUPPLY_LEN, 96]) {
            let mut bytes = vec![0; length];
            supply.fill(&mut bytes).unwrap();
            assert!(bytes.chunks(8).all(|eight| seen.insert(eight.to_vec())), "{length}");
            assert!(supply.bytes[supply.left..].iter().all(|byte| *byte == 0));
        }
        assert!(seen.len() > 2 * SUPPLY_LEN / 8);
        assert!(supply.fill(&mut [0; SUPPLY_LEN + 1]).is_err());
    }
}
