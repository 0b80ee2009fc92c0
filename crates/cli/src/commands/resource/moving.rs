//! `strongroom resource move-documents`: documents of before under the customer's key, one after the other.
//!
//! ```text
//! a header -> under the key already: left alone
//!   -> opened and sealed again, through memory, into a file without a name -> on the disk -> opened again, and compared
//!   -> the name, unless a newer document has it by now -> counted in the resource's state
//! ```
//!
//! A run that is stopped leaves whole documents, each moved or not, which the next one reads from their headers. What it
//! moved last may not be counted then: the count is never too high.

mod document;
mod report;

use std::time::{Duration, Instant};

use strongroom_keys::resource::{NextStep, ResourceId};
use strongroom_keys::{Error, Resources, block_on};

use self::document::{Mover, Outcome};
use self::report::Summary;
use super::stored::{self, Stored};
use crate::args::MoveDocumentsArgs;
use crate::failure::Failure;
use crate::found;
use crate::print;
use crate::service::HomeLocation;
use crate::workers::Workers;

/// Time after which the state counts what was moved: each count is a state and a line of the audit trail.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Number of attempts at a document that other processes replace.
const ATTEMPTS: u32 = 16;

/// Moves what the arguments name.
///
/// # Errors
///
/// A [`Failure`]: that of the only document, or that there were some; each is printed when it happens. One of the
/// resource itself ends the run.
pub(super) fn run(args: MoveDocumentsArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let context = super::super::context(&args.context)?;
    let workers = Workers::new(&args.run, args.print)?;
    let service = HomeLocation::find(args.home)?.open()?;
    let resources = service.resources()?;
    let status = block_on(resources.status(&args.name))?;
    if status.cmk.is_none() {
        return Err(Failure::from(Error::WrongState {
            resource: args.name,
            state: status.protection.name(),
            operation: "move documents under the customer's key",
            next: Box::new(NextStep::EnableCmk),
        }));
    }
    let lock_timeout = args.lock_timeout.map(Duration::from_secs);
    let mut summary = Summary::new(args.name.clone(), args.print);
    let found = found::files(args.paths, &mut |failure| summary.add_failed(None, failure));
    let (mut others, mut unpaired) = (Vec::new(), Vec::new());
    let documents = stored::documents(
        found,
        lock_timeout,
        &mut |path| others.push(path.display().to_string()),
        &mut |failure| unpaired.push(failure),
    );
    summary.expect(documents.len() + unpaired.len());
    for name in &others {
        summary.add_other(name);
    }
    for failure in unpaired {
        summary.add_failed(None, failure);
    }
    let mut counter =
        Counter { resources: &resources, id: &args.name, waiting: 0, counted: Instant::now() };
    let mover = Mover::new(&resources, &args.name, &workers, context, lock_timeout);
    let moved = documents.iter().try_for_each(|document| {
        match moved(&mover, document) {
            Ok(outcome) => {
                let is_moved = matches!(outcome, Outcome::Moved { .. });
                summary.add(document.name(), &outcome);
                if is_moved {
                    counter.add()?;
                }
            }
            Err(failure) if is_of_resource(&failure) => return Err(failure),
            Err(failure) => summary.add_failed(Some(document.name()), failure),
        }
        Ok(())
    });
    let counted = counter.finish();
    moved?;
    counted?;
    let status = block_on(resources.status(&args.name))?;
    summary.finish(&status, started.elapsed())
}

/// Moves one document; a newer one that takes its name meanwhile is looked at in its place.
fn moved(mover: &Mover<'_>, document: &Stored) -> Result<Outcome, Failure> {
    for attempt in 1..=ATTEMPTS {
        if let Some(outcome) = mover.attempt(document)? {
            return Ok(outcome);
        }
        if attempt == 1 {
            let text =
                format!("{} was replaced meanwhile; the newer file is kept", document.name());
            print::notice("note", &text);
        }
    }
    Err(Failure::Replaced { name: document.name() })
}

/// True of a failure that every other document of the resource would meet.
fn is_of_resource(failure: &Failure) -> bool {
    match failure {
        Failure::NotCounted { .. } => true,
        Failure::Resource(error) => {
            !matches!(**error, Error::Expired { .. } | Error::ForeignDocument { .. })
        }
        _ => false,
    }
}

/// Counts what was moved in the resource's state, once an interval.
struct Counter<'r> {
    resources: &'r Resources,
    id: &'r ResourceId,
    waiting: u64,
    /// Time of the last count.
    counted: Instant,
}

impl Counter<'_> {
    fn add(&mut self) -> Result<(), Failure> {
        self.waiting += 1;
        if self.counted.elapsed() < COUNT_INTERVAL { Ok(()) } else { self.finish() }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.counted = Instant::now();
        let moved = std::mem::take(&mut self.waiting);
        if moved == 0 {
            return Ok(());
        }
        block_on(self.resources.documents_moved(self.id, moved))
            .map_err(|source| Failure::NotCounted { moved, source: Box::new(source) })
    }
}
