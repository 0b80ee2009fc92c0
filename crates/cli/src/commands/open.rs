//! `strongroom open`.

use std::io::{self, Write};
use std::ops::Range;

use strongroom::Error;
use strongroom::document::{IoLabels, OpenOptions, Run};
use strongroom_keys::resource::{DocumentError, LeasedOpener};
use zeroize::Zeroizing;

use super::keys::KeyFinder;
use super::sealed::Sealed;
use super::unlock::known_len;
use crate::args::{HeaderOption, OpenArgs, PrintOptions};
use crate::failure::Failure;
use crate::output::sparse::SparseSink;
use crate::output::{Others, Output, Rules};
use crate::place::Place;
use crate::preserve::Attributes;
use crate::range::ByteRange;
use crate::readers::Readers;
use crate::report::Report;
use crate::tagged::{Sink, Source};
use crate::targets::{Target, each, opened_name, targets};
use crate::workers::{Grant, Granted, Workers};

/// Plaintext is for its owner until the owner says otherwise.
const PLAINTEXT_MODE: u32 = 0o600;

/// Bytes of a range in memory at once; at least a chunk.
const RANGE_AT_ONCE: u64 = 16 << 20;

/// Opens what the arguments name.
///
/// # Errors
///
/// A [`Failure`]; then nothing has the output's name. Of several inputs one failure says how many of
/// them failed.
pub(super) fn run(args: OpenArgs) -> Result<(), Failure> {
    let context = super::context(&args.context)?;
    let targets = targets(args.inputs, args.output.as_ref(), opened_name)?;
    if let [_, _, ..] = &targets[..] {
        args.header.refuse_several()?;
        if args.range.is_some() {
            return Err(Failure::Usage(
                "--range is of one document, and there are several; give each a command of its own"
                    .to_owned(),
            ));
        }
    }
    // A bar would draw over the text of a document that goes to a terminal.
    let on_terminal = targets.iter().any(|target| target.output.is_terminal());
    let bar = PrintOptions { quiet: args.print.quiet || on_terminal, ..args.print };
    let workers = Workers::new(&args.run, bar)?;
    let options = OpenOptions { context, backend: workers.backend(), ..OpenOptions::default() };
    let mut opening = Opening {
        options,
        workers,
        rules: Rules {
            existing: args.force.existing(),
            mode: PLAINTEXT_MODE,
            is_mode_asked_for: false,
            option: "-o",
            others: Others::WaitedFor(args.vault.lock_timeout()),
        },
        header: args.header,
        range: args.range,
        preserve: args.preserve.enabled,
        sparse: args.sparse,
        print: args.print,
        readers: Readers::new(&args.vault),
        keys: KeyFinder::new(args.vault, args.resource),
    };
    each(targets, args.print, "opened", |target| &target.input, |target| opening.open(&target))
}

/// The options of a run, shared by all its files.
struct Opening {
    options: OpenOptions,
    workers: Workers,
    rules: Rules,
    header: HeaderOption,
    range: Option<ByteRange>,
    preserve: bool,
    sparse: bool,
    print: PrintOptions,
    readers: Readers,
    keys: KeyFinder,
}

impl Opening {
    fn open(&mut self, target: &Target) -> Result<(), Failure> {
        let (place, workers) = (&target.output, &self.workers);
        if self.range.is_some() && target.input == Place::Standard {
            return Err(range_of_a_stream("standard input"));
        }
        // Before the output and the vault: a file that is no document is called just that.
        let mut sealed = Sealed::open(&target.input, &self.header, &mut self.readers)?;
        self.keys.choose(&mut sealed, &self.options);
        sealed.say_where_header_is(&self.header);
        let input = sealed.input();
        if self.range.is_some() && input.length().is_none() {
            return Err(range_of_a_stream(input.name()));
        }
        let attributes = self.preserve.then(|| Attributes::of(input)).transpose()?;
        let rules = attributes.map_or(self.rules, |kept| kept.permissions(self.rules));
        let output = Output::create(place, &self.readers, rules)?;
        let attributes = attributes.map(|kept| kept.check(&output)).transpose()?;
        if self.sparse && matches!(output, Output::Stream { .. }) {
            return Err(Failure::Usage(format!(
                "--sparse leaves holes in a file, and {} is not one; leave it away",
                place.output_name()
            )));
        }
        let keys = self.keys.find(sealed.header(), input.name())?;
        let opener = sealed.unlock(keys, &self.options)?;

        let grant = keys.grant(opener.lease());
        let grant = grant.as_ref();
        // Where the keys were withdrawn meanwhile, that is the reason, whatever failed for it.
        let failed = |error| match grant.map_or(Ok(()), Grant::renew) {
            Err(withdrawn) => withdrawn.into(),
            Ok(()) => sealed.failure(error, keys, &self.options),
        };
        let (file, name) = output.parts();
        let sink = Sink { file, name: &name };
        let (bytes, range, elapsed) = match self.range {
            None => {
                let source = Source { file: input.file(), name: input.name() };
                let total = known_len(sealed.header());
                let (totals, elapsed) = workers
                    .run("opening", total, grant, |run| {
                        if matches!(output, Output::Stream { .. }) && input.length().is_some() {
                            // What is written is out: an end that is missing is told before.
                            opener.file_layout(&source)?;
                        }
                        match (&output, input.length()) {
                            (Output::File(_), Some(_)) if self.sparse => {
                                opener.open_file(&source, &SparseSink::new(sink), run)
                            }
                            (Output::File(_), Some(_)) => opener.open_file(&source, &sink, run),
                            _ if self.sparse => {
                                let mut sparse = SparseSink::new(sink);
                                let totals =
                                    opener.open_stream(&mut sealed.stream()?, &mut sparse, run)?;
                                sparse.finish().map_err(writing)?;
                                Ok(totals)
                            }
                            _ => {
                                let mut output = Granted { output: sink, grant };
                                opener.open_stream(&mut sealed.stream()?, &mut output, run)
                            }
                        }
                    })
                    .map_err(failed)?;
                (totals.plaintext_len, None, elapsed)
            }
            Some(asked) => {
                let (opened, elapsed) = workers
                    .run("opening", None, grant, |run| {
                        if !self.sparse {
                            let mut output = Granted { output: sink, grant };
                            return open_range(opener, &sealed, asked, &mut output, run);
                        }
                        let mut sparse = SparseSink::new(sink);
                        let opened = open_range(opener, &sealed, asked, &mut sparse, run)?;
                        sparse.finish().map_err(writing)?;
                        Ok(opened)
                    })
                    .map_err(failed)?;
                let range = opened?;
                (range.end - range.start, Some(range), elapsed)
            }
        };
        if let Some(grant) = grant {
            grant.renew()?;
        }
        if let Some(attributes) = attributes {
            attributes.set_times(&output)?;
        }
        sealed.warn_of_damage();
        let report = Report {
            output: Some(place.output_name()),
            range,
            sync_seconds: output.publish()?.map(|taken| taken.as_secs_f64()),
            ..Report::new("opened", input, bytes, elapsed, workers)
        };
        report.print(place.report_channel(), self.print)
    }
}

fn writing(source: io::Error) -> DocumentError {
    Error::io(IoLabels::OPENING.writing)(source).into()
}

fn range_of_a_stream(name: &str) -> Failure {
    Failure::Usage(format!(
        "--range reads in the middle of a file, and {name} is read from its beginning only; name a \
         file"
    ))
}

/// Writes a part of the plaintext, and returns which, reading no chunk that holds nothing of it. The
/// inner failure is a range that is not there.
fn open_range(
    opener: LeasedOpener,
    sealed: &Sealed,
    asked: ByteRange,
    sink: &mut impl Write,
    run: &Run<'_>,
) -> Result<Result<Range<u64>, Failure>, DocumentError> {
    let input = sealed.input();
    let reader = opener.into_reader(Source { file: input.file(), name: input.name() })?;
    let length = reader.layout().plaintext_len();
    let Some(range) = asked.within(length) else {
        return Ok(Err(Failure::BeyondEnd { name: input.name().to_owned(), length }));
    };
    let mut piece = Zeroizing::new(Vec::new());
    for part in pieces(range.clone(), sealed.header().chunk_len().bytes()) {
        let bytes = part.end - part.start;
        let too_long = Error::Length {
            what: "part of a range, in bytes",
            length: bytes,
            limit: usize::MAX as u64,
        };
        piece.resize(usize::try_from(bytes).map_err(|_| too_long)?, 0);
        reader.read_exact_at(&mut piece, part.start)?;
        let written = sink.write_all(&piece);
        written.map_err(writing)?;
        if let Some(progress) = run.progress {
            progress(bytes);
        }
    }
    Ok(Ok(range))
}

/// `range` in pieces that end where chunks do, so that no chunk is opened twice.
fn pieces(range: Range<u64>, chunk_len: u64) -> impl Iterator<Item = Range<u64>> {
    // Both are powers of two.
    let length = RANGE_AT_ONCE.max(chunk_len);
    let mut start = range.start;
    std::iter::from_fn(move || {
        let end = (start / length + 1).saturating_mul(length).min(range.end);
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_range_and_end_at_chunks() {
        for chunk_len in [4096, 1 << 20, 16 << 20] {
            let far = 50 << 20;
            for range in [0..0, 7..7, 0..1, 5..far, far - 1..far + 1, (32 << 20)..far] {
                let pieces: Vec<_> = pieces(range.clone(), chunk_len).collect();
                let mut next = range.start;
                for piece in &pieces {
                    assert_eq!(piece.start, next);
                    assert!(piece.end - piece.start <= RANGE_AT_ONCE);
                    assert!(piece.end == range.end || piece.end % chunk_len == 0);
                    next = piece.end;
                }
                assert_eq!(next, range.end);
                let least = (range.end - range.start).div_ceil(RANGE_AT_ONCE);
                assert!(pieces.len() as u64 <= least + 1);
            }
        }
    }
}
