//! The command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::peer::Operation;
use crate::rounds::ENOUGH;
use crate::size;

/// Measures Strongroom beside its peers, and beside what the processor can do at this moment.
///
/// All that is compared is measured in the same run, in interleaved rounds: in each round every
/// contender runs once, in a new order. Printed are medians with their extremes, and ratios both
/// within rounds and between medians. Nothing is timed before it has been checked: all
/// implementations must give the same bytes.
///
/// Run it with RUSTFLAGS="" on a quiet machine; with the workspace's own flags RustCrypto's code is its
/// portable code, and the tables say so.
#[derive(Debug, Parser)]
#[command(name = "strongroom-compare", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// AES-256-GCM in place, from small messages to large ones, against every peer
    ///
    /// Peers: aws-lc-rs, ring, graviola, rind, rscrypto, OpenSSL, RustCrypto. Yardsticks: 14 and 12
    /// rounds a vector of the widest VAES instructions; from 1 MiB, copying and XORing memory.
    Gcm(GcmArgs),
    /// Each of Strongroom's tiers against the bounds of its own vectors, seal and open
    ///
    /// Beside them: OpenSSL as it is, OpenSSL without VAES and AVX-512 (a child process with
    /// OPENSSL_ia32cap, in the same rounds) for `aesni`, and RustCrypto for `software`. For a
    /// comparison of software with software, run it without RUSTFLAGS, so that the workspace's flags
    /// hold.
    Tiers(TiersArgs),
    /// Sealing large texts in memory on one thread and on several
    ///
    /// `Sealer::seal_into` for documents, and GCM in place on chunks of 1 MiB; beside them how the
    /// yardstick, an XOR in place and a copy scale on the same threads. Each thread has its own core.
    Parallel(ParallelArgs),
    /// Sealing and opening a warm file with the command, against cp and age
    ///
    /// By the wall clock and by processor time (of the user and of the system). With sync: the output
    /// is safe on its device; strongroom always waits for that, and its own report is used to tell
    /// the two apart. `age` and `rage` take part if they are installed.
    File(FileArgs),
    /// A small range of a large document, against one chunk in the kernel
    ///
    /// A document in a warm file is opened with one read, and a range at a random offset reads the
    /// chunk, or the two, that it lies in: both are checked before anything is timed. Beside a
    /// range: the kernel opening one chunk in cache, the same read from the same file, and the
    /// reading alone.
    Ranges(RangesArgs),
    /// Two layers against one and against two passes of every peer; many small documents
    ///
    /// Layers: the body in memory, from one buffer to another, in chunks of 1 MiB. The peers work in
    /// place, once over the whole text for each layer, and chunk by chunk on a copy. Small documents: `seal_many` and
    /// `open_many`, with all that belongs to each document, under one AES key; then one by one under the
    /// leased keys of a resource.
    Documents(DocumentsArgs),
    /// Documents of a resource, whose keys are cached under a lease, against the engine alone
    ///
    /// A large document in memory on several threads, and small ones one by one on one core, in one layer
    /// and in two. No vault, state or file is read once the keys are cached.
    Leases(LeasesArgs),
    /// The sealed store over one in memory, against the engine alone
    ///
    /// Putting and getting a large object on several threads, against the engine's own sealing and opening into memory that is
    /// allocated for it; short ranges of an object whose header is known, one by one on one core.
    Store(StoreArgs),
    /// RSA-2048 with OAEP, one operation at a time and in batches, on one core and on all
    ///
    /// Peers: aws-lc-rs, OpenSSL and the rsa crate. Neither ring nor graviola nor rind offers OAEP or the
    /// private operation by itself. Yardstick: the multiplications that an operation cannot do without.
    Rsa(RsaArgs),
    /// Unwrapping many wrapped keys with one RSA-2048 key and wrapping them with another
    ///
    /// The whole set in one call on all cores, against a loop over aws-lc-rs on one core and on all. By the wall
    /// clock; one round has each of them once.
    Rewrap(RewrapArgs),
    /// Sealing and opening through pipes with the command, against pipes alone and against files
    ///
    /// `cat FILE | strongroom seal - -o - | cat >/dev/null`, `cat FILE | cat >/dev/null`, and the
    /// command from file to file until it is done. By the wall clock.
    Stream(FileArgs),
    /// OpenSSL for `tiers`, run by it as a child with another environment
    #[command(hide = true)]
    OpensslChild,
}

#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// Rounds; each contender runs once in each
    #[arg(long, value_name = "N", default_value_t = ENOUGH, value_parser = parse_rounds)]
    pub(crate) rounds: usize,

    /// Write everything, each round's figure included, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write a chart of the medians
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CoreArgs {
    /// The core to stay on [default: the last that is allowed]
    #[arg(long, value_name = "CORE")]
    pub(crate) core: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct GcmArgs {
    /// Lengths of the messages
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        value_parser = size::parse,
        default_value = "64,256,1KiB,4KiB,16KiB,64KiB,256KiB,1MiB,4MiB,16MiB,64MiB"
    )]
    pub(crate) sizes: Vec<usize>,

    /// Only open
    #[arg(long, action = ArgAction::SetTrue, conflicts_with = "seal")]
    pub(crate) open: bool,

    /// Only seal
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) seal: bool,

    #[command(flatten)]
    pub(crate) core: CoreArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl GcmArgs {
    /// The operations to be measured.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        Operation::ALL
            .into_iter()
            .filter(|operation| match operation {
                Operation::Seal => !self.open,
                Operation::Open => !self.seal,
            })
            .collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct TiersArgs {
    /// Lengths of the messages
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        value_parser = size::parse,
        default_value = "4KiB,64KiB,1MiB"
    )]
    pub(crate) sizes: Vec<usize>,

    #[command(flatten)]
    pub(crate) core: CoreArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ParallelArgs {
    /// Number of threads to compare with one [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1024))]
    pub(crate) threads: Option<u16>,

    /// Lengths of the texts
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        value_parser = size::parse,
        default_value = "64MiB,1GiB"
    )]
    pub(crate) sizes: Vec<usize>,

    /// Lengths of the documents' chunks
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        value_parser = size::parse,
        default_value = "1MiB"
    )]
    pub(crate) chunks: Vec<usize>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Length of the file
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "1GiB")]
    pub(crate) size: usize,

    /// Folder in which to make one for the files, which is removed in the end [default: that of temporary
    /// files]. It needs five times the size
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// The strongroom command
    #[arg(long, value_name = "PATH", default_value = "target/release/strongroom")]
    pub(crate) strongroom: PathBuf,

    /// Threads for strongroom [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RangesArgs {
    /// Length of the text in the document
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "2GiB")]
    pub(crate) size: usize,

    /// Length of a range, at most a chunk of 1 MiB
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "4KiB")]
    pub(crate) range: usize,

    /// Folder in which to make one for the document, which is removed in the end [default: that of temporary
    /// files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) core: CoreArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DocumentsArgs {
    /// Lengths of the texts that are sealed in layers
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        value_parser = size::parse,
        default_value = "64KiB,1MiB,16MiB"
    )]
    pub(crate) sizes: Vec<usize>,

    /// Lengths of the small documents, of which many are sealed in one call
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        value_parser = size::parse,
        default_value = "4KiB,64KiB"
    )]
    pub(crate) small: Vec<usize>,

    /// Number of small documents that one call seals or opens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 64)]
    pub(crate) count: u16,

    #[command(flatten)]
    pub(crate) core: CoreArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RsaArgs {
    /// Ciphertexts that are decrypted in one call
    #[arg(
        long,
        value_name = "COUNTS",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=4096),
        default_value = "1,2,4,8,16,32,64"
    )]
    pub(crate) batches: Vec<u16>,

    /// Number of threads to compare with one [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Keep AVX-512 IFMA from aws-lc-rs and OpenSSL (with OPENSSL_ia32cap), against a build of Strongroom that has no
    /// kernel but the portable one, as `scripts/compare` makes it for this option
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) without_ifma: bool,

    #[command(flatten)]
    pub(crate) core: CoreArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RewrapArgs {
    /// Number of wrapped keys
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 100_000)]
    pub(crate) count: u32,

    /// Number of threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LeasesArgs {
    /// Length of the large document
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "1GiB")]
    pub(crate) size: usize,

    /// Threads for the large document
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), default_value_t = 2)]
    pub(crate) threads: u16,

    /// Lengths of the small documents
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        value_parser = size::parse,
        default_value = "4KiB"
    )]
    pub(crate) small: Vec<usize>,

    #[command(flatten)]
    pub(crate) core: CoreArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Length of the large object
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "1GiB")]
    pub(crate) size: usize,

    /// Threads for the large object
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), default_value_t = 2)]
    pub(crate) threads: u16,

    #[command(flatten)]
    pub(crate) core: CoreArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

fn parse_rounds(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rounds| *rounds > 0).ok_or_else(|| "at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_choice_both_operations_are_measured() {
        for (words, operations) in [
            (&["x", "gcm"][..], &Operation::ALL[..]),
            (&["x", "gcm", "--seal"], &[Operation::Seal]),
            (&["x", "gcm", "--open", "--sizes", "64,4KiB"], &[Operation::Open]),
        ] {
            let Command::Gcm(args) = Cli::parse_from(words).command else { panic!() };
            assert_eq!(args.operations(), operations);
        }
        assert!(Cli::try_parse_from(["x", "gcm", "--open", "--seal"]).is_err());
        assert!(Cli::try_parse_from(["x", "gcm", "--rounds", "0"]).is_err());
    }
}
