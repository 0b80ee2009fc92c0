//! Dispatch of modular exponentiation to the kernel for this processor.

use crate::arch::software::mod_exp as software;
#[cfg(x86_64_kernels)]
use crate::arch::x86_64::ifma;
use crate::secret::wipe_stack;

pub(crate) use crate::arch::mod_exp::{
    MODULUS, Modulus, PRIME, Power, PublicPower, SecretPower, select, subtract,
};

/// A kernel of modular exponentiation that this processor can run.
///
/// | name | needs | powers at once |
/// |---|---|---|
/// | `ifma` | `x86_64` with AVX-512 F and IFMA | 8, or 2 secret ones |
/// | `software` | any processor | 1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModExp(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(x86_64_kernels)]
    Ifma(ifma::Token),
    Software,
}

impl ModExp {
    /// The fastest kernel that this processor can run.
    pub(crate) fn detect() -> Self {
        #[cfg(x86_64_kernels)]
        if let Some(token) = ifma::Token::detect() {
            return Self(Kind::Ifma(token));
        }
        Self::SOFTWARE
    }

    /// The kernel that every processor can run.
    pub(crate) const SOFTWARE: Self = Self(Kind::Software);

    /// Powers that are best computed together.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(x86_64_kernels)]
            Kind::Ifma(_) => ifma::LANES,
            Kind::Software => 1,
        }
    }

    /// Computes each of `powers`, whose exponents are secret.
    pub(crate) fn secret(self, powers: &mut [SecretPower<'_>]) {
        match self.0 {
            #[cfg(x86_64_kernels)]
            Kind::Ifma(token) => {
                powers.chunks_mut(ifma::LANES).for_each(|powers| secret_ifma(token, powers));
            }
            Kind::Software => software::secret(powers),
        }
        wipe_stack();
    }

    /// Computes each of `powers`, whose exponents are public and odd.
    pub(crate) fn public(self, powers: &mut [PublicPower<'_>]) {
        match self.0 {
            #[cfg(x86_64_kernels)]
            Kind::Ifma(token) if powers.len() >= FROM_IFMA => {
                powers.chunks_mut(ifma::LANES).for_each(|powers| ifma::public(token, powers));
            }
            _ => software::public(powers),
        }
        wipe_stack();
    }
}

/// A single public power takes eight lanes longer than one number in the other kernel.
#[cfg(x86_64_kernels)]
const FROM_IFMA: usize = 2;

/// Three pairs of secret powers take less time than eight lanes, four take more.
#[cfg(x86_64_kernels)]
const FROM_EIGHT_LANES: usize = 7;

/// Computes at most eight powers, two at a time or all at once.
#[cfg(x86_64_kernels)]
fn secret_ifma(token: ifma::Token, powers: &mut [SecretPower<'_>]) {
    if powers.len() < FROM_EIGHT_LANES {
        powers.chunks_mut(ifma::PAIR).for_each(|powers| ifma::pair(token, powers));
    } else {
        ifma::secret(token, powers);
    }
}

#[cfg(test)]
mod tests;
