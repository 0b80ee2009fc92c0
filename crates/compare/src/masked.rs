//! OpenSSL without VAES: a child process, because OpenSSL looks at its environment once, when it starts.
//!
//! Parent and child share one core. The child waits in a read while the parent measures and the
//! parent while the child does, so the two never compete. One line asks for a measurement
//! (operation, length, calls), one line answers with its nanoseconds.
//!
//! Whether the mask works is seen by its effect, not by AES-GCM: OpenSSL 3.0 has no VAES code, so that there
//! the mask changes nothing. ChaCha20 uses AVX-512 in all versions, and the mask takes that away.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;

use crate::clock::ThreadClock;
use crate::messages::Messages;
use crate::peer::Operation;
use crate::peer::openssl::OpenSsl;

/// OpenSSL's own switch for what it may use of the processor.
const VARIABLE: &str = "OPENSSL_ia32cap";

/// Its second word is what CPUID says of leaf 7, EBX below and ECX above. Cleared: AVX-512 F (16), DQ
/// (17), IFMA (21), CD (28), BW (30), VL (31), and of ECX VAES (9) and VPCLMULQDQ (10). AES-NI,
/// PCLMULQDQ, AVX and AVX2 stay.
const MASK: &str = ":~0x600d0230000";

/// ChaCha20 without AVX-512 has half the lanes of that with it; above this no lanes were taken.
const MASKED_BELOW: f64 = 0.8;

/// The child, from its parent's side.
#[derive(Debug)]
pub(crate) struct MaskedOpenSsl {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The time of [`probe`] here, divided by that in the child.
    probed: f64,
}

impl MaskedOpenSsl {
    /// Starts this program again with the mask set. The child inherits the core.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn start() -> Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut child = Command::new(program)
            .arg("openssl-child")
            .env(VARIABLE, MASK)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the child")?;
        let requests = child.stdin.take().context("the child's input")?;
        let answers = BufReader::new(child.stdout.take().context("the child's output")?);
        let mut masked = Self { child, requests, answers, probed: 1.0 };
        let there = masked.answer()?;
        masked.probed = probe()?.as_secs_f64() / there.as_secs_f64();
        Ok(masked)
    }

    /// The effect of the mask, as the probe shows it.
    pub(crate) fn note(&self) -> String {
        let relation = format!(
            "ChaCha20, which uses AVX-512 where it may, runs at {:.2} times its speed there",
            self.probed
        );
        let verdict = if self.probed < MASKED_BELOW {
            "the mask works"
        } else {
            "NO EFFECT OF THE MASK IS SEEN, so there may be none (or no AVX-512 here)"
        };
        format!("openssl without VAES is a child with {VARIABLE}={MASK}; {relation}: {verdict}.")
    }

    fn answer(&mut self) -> Result<Duration> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let nanoseconds = answer.trim().parse().context("the OpenSSL child has ended")?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Has the child make so many calls.
    ///
    /// # Errors
    ///
    /// Where the child has ended.
    pub(crate) fn time(
        &mut self,
        operation: Operation,
        length: usize,
        calls: u64,
    ) -> Result<Duration> {
        writeln!(self.requests, "{} {length} {calls}", operation.name())?;
        self.answer()
    }
}

impl Drop for MaskedOpenSsl {
    fn drop(&mut self) {
        // It holds nothing that is worth an orderly end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child: answers until nobody asks any more.
///
/// # Errors
///
/// A request that is none; the system's.
pub(crate) fn serve() -> Result<()> {
    answer(probe()?)?;
    let mut peer = OpenSsl::new("openssl")?;
    let mut current: Option<(Request, Messages)> = None;
    for line in io::stdin().lines() {
        let (request, calls) = parse(&line?)?;
        let (_, messages) = match &mut current {
            Some(current) if current.0 == request => current,
            _ => current.insert((request, Messages::new(request.1, &mut peer)?)),
        };
        answer(request.0.time(&mut peer, messages, calls)?)?;
    }
    Ok(())
}

fn answer(elapsed: Duration) -> Result<()> {
    let mut output = io::stdout();
    writeln!(output, "{}", elapsed.as_nanos())?;
    Ok(output.flush()?)
}

/// Time that ChaCha20 takes for 1 MiB, the best of ten.
fn probe() -> Result<Duration> {
    let mut context = CipherCtx::new()?;
    context.encrypt_init(Some(Cipher::chacha20()), Some(&[1; 32]), Some(&[2; 16]))?;
    let mut text = vec![0; 1 << 20];
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let (clock, length) = (ThreadClock::start(), text.len());
        context.cipher_update_inplace(&mut text, length)?;
        best = best.min(clock.elapsed());
    }
    Ok(best)
}

/// Operation, and length of a message in bytes.
type Request = (Operation, usize);

fn parse(line: &str) -> Result<(Request, u64)> {
    let words: Vec<_> = line.split(' ').collect();
    let [operation, length, calls] = words[..] else { bail!("a request has three words") };
    let operation = Operation::ALL.into_iter().find(|known| known.name() == operation);
    Ok(((operation.context("no such operation")?, length.parse()?), calls.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_clears_vaes_and_avx512_and_nothing_else() {
        let (ebx, ecx) = ([16, 17, 21, 28, 30, 31], [9, 10]);
        let bits = ebx.into_iter().chain(ecx.map(|bit| bit + 32));
        let mask = bits.fold(0_u64, |mask, bit| mask | 1 << bit);
        assert_eq!(MASK, format!(":~{mask:#x}"));
    }

    #[test]
    fn a_request_has_three_words() {
        assert_eq!(parse("seal 64 1000").unwrap(), ((Operation::Seal, 64), 1000));
        assert_eq!(parse("open 4096 1").unwrap(), ((Operation::Open, 4096), 1));
        for wrong in ["", "seal 64", "close 64 1", "seal -1 1", "seal 1 1 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
