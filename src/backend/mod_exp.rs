//! Dispatch of modular exponentiation to the kernel for this processor.

#[cfg(x86_64_kernels)]
use core::sync::atomic::{AtomicU8, Ordering};

use crate::arch::software::mod_exp as software;
#[cfg(x86_64_kernels)]
use crate::arch::x86_64::ifma;

pub(crate) use crate::arch::mod_exp::{
    MODULUS, Modulus, PRIME, Power, PublicPower, SecretPower, select, subtract,
};

/// A kernel of modular exponentiation that this processor can run.
///
/// | name | needs | powers at once |
/// |---|---|---|
/// | `ifma` | `x86_64` with AVX-512 F and IFMA | 8 or 2 secret ones, 1 public one |
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
    /// The fastest kernel that this processor can run, and that computes rightly.
    pub(crate) fn detect() -> Self {
        #[cfg(x86_64_kernels)]
        if let Some(token) = ifma::Token::detect()
            && computes_rightly(token)
        {
            return Self(Kind::Ifma(token));
        }
        Self::SOFTWARE
    }

    /// The kernel that every processor can run.
    pub(crate) const SOFTWARE: Self = Self(Kind::Software);

    /// Secret powers that are best computed together.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(x86_64_kernels)]
            Kind::Ifma(_) => ifma::LANES,
            Kind::Software => 1,
        }
    }

    /// Computes each of `powers`, whose exponents are secret. The caller overwrites the stack.
    pub(crate) fn secret(self, powers: &mut [SecretPower<'_>]) {
        match self.0 {
            #[cfg(x86_64_kernels)]
            Kind::Ifma(token) => ifma::secret(token, powers),
            Kind::Software => software::secret(powers),
        }
    }

    /// Computes each of `powers`, whose exponents are public and odd. The caller overwrites the stack.
    pub(crate) fn public(self, powers: &mut [PublicPower<'_>]) {
        match self.0 {
            #[cfg(x86_64_kernels)]
            Kind::Ifma(token) => ifma::public(token, powers),
            Kind::Software => software::public(powers),
        }
    }
}

/// Compares a public power with the other kernel's, once in a process. Secret powers are checked with public ones each
/// time.
#[cfg(x86_64_kernels)]
fn computes_rightly(token: ifma::Token) -> bool {
    const UNTESTED: u8 = 0;
    const PASSED: u8 = 1;
    const FAILED: u8 = 2;
    /// Two threads may both test; they find the same.
    static RESULT: AtomicU8 = AtomicU8::new(UNTESTED);

    match RESULT.load(Ordering::Relaxed) {
        UNTESTED => {
            let modulus = Modulus::new(&[u64::MAX; MODULUS]);
            let power = || Power { modulus: &modulus, exponent: 65537, value: [3; MODULUS] };
            let mut powers = [power(), power()];
            let [first, second] = &mut powers;
            ifma::public(token, core::slice::from_mut(first));
            software::public(core::slice::from_mut(second));
            let passed = first.value == second.value;
            RESULT.store(if passed { PASSED } else { FAILED }, Ordering::Relaxed);
            passed
        }
        known => known == PASSED,
    }
}

#[cfg(test)]
mod tests;
