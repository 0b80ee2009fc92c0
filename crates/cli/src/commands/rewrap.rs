//! `strongroom rewrap`: other recipients for documents, without what they hold.
//!
//! ```text
//! a batch of files -> headers -> which recipients each is to get
//!                             -> unwrap, all of one key at once, on all threads
//!                             -> wrap for the new keys, and write each header under its file's lock
//! ```
//!
//! No file is open between the steps, so that any number of files may be given. A header that another
//! process changed meanwhile is seen under the lock, and the file comes into a later batch.

mod report;
mod target;
mod write;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Instant;

use rayon::ThreadPool;
use rayon::prelude::*;
use strongroom::document::{Header, OpenPolicy, Recipient, SlotState};
use strongroom::secret::SecretVec;
use strongroom::wrap::{Algorithm, KeyId};
use strongroom_keys::LocalVault;

use self::report::{FileReport, Outcome, Summary};
use self::target::{Change, NewestKeys};
use self::write::{Swept, Written};
use super::sealed::header_failure;
use super::unlock::{Refusal, own_id, unwrap};
use crate::args::RewrapArgs;
use crate::counted::{Counted, Counts};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::pair;
use crate::place::Place;
use crate::platform;
use crate::vaults::Location;
use crate::workers;

/// How many headers are in memory at once.
const BATCH: usize = 256;

/// How often a file is tried whose header other processes change.
const ATTEMPTS: u32 = 16;

/// Rewraps what the arguments name.
///
/// # Errors
///
/// A [`Failure`]: that of the only file, or that there were some; each is printed when it happens.
pub(super) fn run(args: RewrapArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let pool = workers::pool(&args.threads)?;
    let vault = Location::find(args.vault)?.open()?;
    let mut rewrapper = Rewrapper {
        vault: &vault,
        pool,
        newest: NewestKeys::new(&vault, args.key.as_deref())?,
        swept: Swept::default(),
    };
    let files = with_next_headers(args.files);
    let mut summary = Summary::new(files.len(), args.print);
    let mut waiting: VecDeque<Job> = files.into_iter().map(Job::new).collect();
    while !waiting.is_empty() {
        let batch: Vec<Job> = waiting.drain(..waiting.len().min(BATCH)).collect();
        for (job, done) in rewrapper.rewrap(batch) {
            match done {
                Ok(None) => waiting.push_back(job),
                Ok(Some(outcome)) => summary.add(FileReport::done(&job, outcome)),
                Err(failure) => summary.add_failed(FileReport::failed(&job, &failure), failure),
            }
        }
    }
    summary.finish(started.elapsed())
}

/// `files`, each with the header that a stopped seal left for it: either may be the one that opens.
fn with_next_headers(files: Vec<PathBuf>) -> Vec<PathBuf> {
    files
        .into_iter()
        .flat_map(|file| {
            let next = pair::next_header(&file);
            std::iter::once(file).chain(next)
        })
        .collect()
}

/// One file on its way.
#[derive(Debug)]
struct Job {
    path: PathBuf,
    name: String,
    counts: Counts,
    attempts: u32,
}

impl Job {
    fn new(path: PathBuf) -> Self {
        let name = path.display().to_string();
        Self { path, name, counts: Counts::default(), attempts: 0 }
    }

    /// The file's header as it is now.
    fn read(&self) -> Result<Header, Failure> {
        let input = Input::open(&Place::Path(self.path.clone()))?;
        if input.length().is_none() {
            return Err(Failure::NotAFile { path: self.path.clone() });
        }
        platform::read_here_and_there(input.file());
        let counted = Counted { file: input.file(), name: &self.name, counts: &self.counts };
        Header::read_at(&counted)
            .map_err(|error| header_failure(&self.name, error, "rewrap that file"))
    }
}

/// A file whose header is to be written.
struct Step {
    header: Header,
    change: Change,
    /// What its recipients of this vault hold, where that was unwrapped.
    unwrapped: Vec<(Recipient, Result<SecretVec, Refusal>)>,
}

/// What all batches share.
struct Rewrapper<'v> {
    vault: &'v LocalVault,
    pool: ThreadPool,
    newest: NewestKeys<'v>,
    swept: Swept,
}

/// What became of a file; `None` where it is to be tried again.
type Done = Result<Option<Outcome>, Failure>;

impl Rewrapper<'_> {
    fn rewrap(&mut self, mut batch: Vec<Job>) -> Vec<(Job, Done)> {
        for job in &mut batch {
            job.attempts += 1;
        }
        let headers: Vec<_> = self.pool.install(|| batch.par_iter().map(Job::read).collect());
        let mut steps: Vec<_> =
            headers.into_iter().zip(&batch).map(|(header, job)| self.decide(job, header)).collect();
        self.unwrap(&mut steps);
        let this = &*self;
        this.pool.install(|| {
            let jobs = batch.into_par_iter().zip(steps);
            jobs.map(|(job, step)| {
                let done = step.and_then(|step| match step {
                    Decision::Leave(outcome) => Ok(Some(outcome)),
                    Decision::Write(step) => this.write(&job, *step),
                });
                (job, done)
            })
            .collect()
        })
    }

    /// What is to be done with a file that has `header`.
    fn decide(&mut self, job: &Job, header: Result<Header, Failure>) -> Result<Decision, Failure> {
        let header = header?;
        if job.attempts > ATTEMPTS {
            return Err(Failure::Contended { name: job.name.clone() });
        }
        let newest = |id: &_| self.newest.instead_of(id);
        let Some(change) = Change::of(header.recipients(), self.vault.id(), newest)? else {
            return Err(self.no_key(job, &header));
        };
        let whole = header.slots().iter().all(|state| *state == SlotState::Current);
        if change.is_empty() && whole {
            return Ok(Decision::Leave(Outcome::unchanged(header.recipients())));
        }
        Ok(Decision::Write(Box::new(Step { header, change, unwrapped: Vec::new() })))
    }

    fn no_key(&self, job: &Job, header: &Header) -> Failure {
        let ids: Vec<&str> = header.recipients().iter().map(|one| one.key_id().as_str()).collect();
        Failure::NoKey {
            name: job.name.clone(),
            vault: self.vault.path().to_owned(),
            id: self.vault.id().to_string(),
            wrapped_with: ids.join(", "),
        }
    }

    /// Unwraps what this vault's keys unwrap, all of one key at once. A key that cannot be used is left
    /// out: each of its files asks again, and says why.
    fn unwrap(&self, steps: &mut [Result<Decision, Failure>]) {
        let mut by_key: HashMap<(KeyId, Algorithm), Vec<(usize, Recipient)>> = HashMap::new();
        for (index, step) in steps.iter().enumerate() {
            let Ok(Decision::Write(step)) = step else { continue };
            for recipient in step.header.recipients() {
                let Some(algorithm) = recipient.algorithm() else { continue };
                if own_id(recipient, self.vault.id()).is_some() {
                    let key = (recipient.key_id().clone(), algorithm);
                    by_key.entry(key).or_default().push((index, recipient.clone()));
                }
            }
        }
        for ((id, algorithm), recipients) in by_key {
            let wrapped: Vec<&[u8]> = recipients.iter().map(|(_, one)| one.wrapped()).collect();
            let unwrap = || self.vault.unwrap_batch(&id, algorithm, &wrapped);
            let Ok(secrets) = self.pool.install(unwrap) else { continue };
            for ((index, recipient), secret) in recipients.into_iter().zip(secrets) {
                if let Some(Ok(Decision::Write(step))) = steps.get_mut(index) {
                    step.unwrapped.push((recipient, secret.map_err(Refusal::from)));
                }
            }
        }
    }

    fn write(&self, job: &Job, step: Step) -> Done {
        let Step { header, change, mut unwrapped } = step;
        let damaged = change.is_empty();
        let before = ids(header.recipients());
        let mut ask = |recipient: &Recipient| match unwrapped
            .iter()
            .position(|(unwrapped, _)| unwrapped == recipient)
        {
            Some(place) => Some(unwrapped.swap_remove(place).1),
            None => unwrap(recipient, self.vault),
        };
        let mut rewrap = header
            .rewrap_by(&OpenPolicy::default(), &mut ask)
            .map_err(|refusal| refusal.failure(self.vault, &job.name))?;
        change
            .apply(&mut rewrap)
            .map_err(|source| Failure::Document { name: job.name.clone(), source })?;
        let written = write::write(&job.path, &job.name, &rewrap, &job.counts, &self.swept)?;
        let in_place = match written {
            Written::ChangedMeanwhile => return Ok(None),
            Written::InPlace => true,
            Written::NewFile => false,
        };
        let after = ids(rewrap.recipients());
        Ok(Some(Outcome::written(before, after, in_place, damaged)))
    }
}

/// What is done with a file once its header is known.
enum Decision {
    Leave(Outcome),
    Write(Box<Step>),
}

/// The ids of the keys that `recipients` need, as the header names them.
fn ids(recipients: &[Recipient]) -> Vec<String> {
    recipients.iter().map(|recipient| recipient.key_id().as_str().to_owned()).collect()
}
