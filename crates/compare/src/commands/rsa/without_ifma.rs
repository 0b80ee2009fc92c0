//! The peers without AVX-512 IFMA, which they look for once, in a process that begins with another environment: this
//! program starts again in its own place.
//!
//! AWS-LC and OpenSSL read the same variable. Its second word is what CPUID says of leaf 7, EBX below; bit 21 is IFMA, and
//! all else that they use stays (BMI2 and ADX among it). Whether that works is seen by its effect on AWS-LC.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use strongroom::backend::Backend;
use strongroom::rsa::PrivateKey;

use super::decrypts;
use super::peers::AwsLc;
use crate::clock::ThreadClock;

const VARIABLE: &str = "OPENSSL_ia32cap";
const MASK: &str = ":~0x200000";
/// Nanoseconds of a decryption with all instructions, from the first process to the second.
const PROBE: &str = "STRONGROOM_COMPARE_PROBE";
/// With IFMA an operation takes about half the time.
const MASKED_ABOVE: f64 = 1.25;

/// Starts this program again without IFMA for the peers; in the process that was started so, a note on it.
///
/// # Errors
///
/// Where Strongroom has other kernels than the portable one; the system's.
pub(super) fn begin() -> Result<String> {
    ensure!(
        Backend::available().all(|backend| backend.name() == "software"),
        "this build has more than the portable kernels; `scripts/compare rsa --without-ifma` makes one that has not"
    );
    let here = probe()?;
    let there = env::var(PROBE).ok().filter(|_| env::var(VARIABLE).is_ok_and(|mask| mask == MASK));
    let Some(there) = there else {
        let mut again = Command::new(env::current_exe().context("finding this program")?);
        again.args(env::args_os().skip(1)).env(VARIABLE, MASK);
        let error = again.env(PROBE, here.as_nanos().to_string()).exec();
        return Err(error).context("starting this program again");
    };
    let there: u64 = there.parse().context(PROBE)?;
    let ratio = here.as_secs_f64() / Duration::from_nanos(there).as_secs_f64();
    Ok(note(ratio))
}

fn note(ratio: f64) -> String {
    let verdict = if ratio > MASKED_ABOVE {
        "the mask works"
    } else {
        "NO EFFECT OF THE MASK IS SEEN, so there may be none (or no IFMA here)"
    };
    format!(
        "All of this ran with {VARIABLE}={MASK}, with which aws-lc-rs takes {ratio:.2} times as long to decrypt: {verdict}. \
         Strongroom's kernel is the portable one."
    )
}

/// Time that AWS-LC takes to decrypt, the best of fifty.
fn probe() -> Result<Duration> {
    let key = PrivateKey::generate()?;
    let aws_lc = AwsLc::new(&key)?;
    let ciphertext = key.public_key().encrypt_oaep_256(&super::MESSAGE)?;
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let clock = ThreadClock::start();
        ensure!(decrypts(&aws_lc, &ciphertext)?, "aws-lc-rs: a wrong result");
        best = best.min(clock.elapsed());
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_clears_ifma_alone_and_its_effect_is_told() {
        assert_eq!(MASK, format!(":~{:#x}", 1 << 21));
        assert!(note(1.6).contains("the mask works"));
        assert!(note(1.02).contains("NO EFFECT"));
    }

    #[test]
    fn a_build_with_other_kernels_is_refused() {
        if Backend::available().any(|backend| backend.name() != "software") {
            assert!(
                begin().unwrap_err().to_string().contains("scripts/compare rsa --without-ifma")
            );
        }
    }
}
