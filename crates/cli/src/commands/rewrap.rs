//! `strongroom rewrap`: other recipients for documents, without what they hold.
//!
//! ```text
//! a batch of files -> headers -> which keys each is to be wrapped for
//!   -> the vault unwraps, all of one key at once, on all threads -> headers unlocked
//!   -> wrap anew for what is asked for -> the vault unwraps that, too: proved
//!   -> write each header under its file's lock, and read it back
//! ```
//!
//! A recipient stays where its key has unwrapped it a moment ago, and never because of its name: an id
//! may name another key by now.
//!
//! No file is open between the steps, so that any number of files may be given. A header that another
//! process changed meanwhile is seen under the lock, and the file comes into a later batch.

mod asking;
mod exchange;
mod report;
mod target;
mod write;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use rayon::prelude::*;
use strongroom::Error;
use strongroom::document::{Header, Recipient, Rewrap, RewrapOptions, SlotState};
use strongroom_local_vault::LocalVault;

use self::asking::Answer;
use self::exchange::Exchange;
use self::report::{FileReport, Outcome, Summary};
use self::target::{NewestKeys, Target};
use self::write::Written;
use super::sealed::header_failure;
use super::unlock::{Refusal, own_id};
use crate::args::RewrapArgs;
use crate::counted::{Counted, Counts};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::{self, next_header};
use crate::platform;
use crate::readers::Readers;
use crate::vaults::Location;
use crate::workers;

/// Number of headers in memory at once.
const BATCH: usize = 256;

/// Number of attempts at a file whose header other processes change.
const ATTEMPTS: u32 = 16;

/// Rewraps what the arguments name.
///
/// # Errors
///
/// A [`Failure`]: that of the only file, or that there were some; each is printed when it happens.
pub(super) fn run(args: RewrapArgs) -> Result<(), Failure> {
    if args.any_context {
        return run_with(args, RewrapOptions::any_context());
    }
    let context = super::context(&args.context)?;
    run_with(args, RewrapOptions { context, ..RewrapOptions::default() })
}

fn run_with<C: Exchange>(args: RewrapArgs, options: RewrapOptions<C>) -> Result<(), Failure> {
    let started = Instant::now();
    let pool = workers::pool(&args.threads)?;
    let readers = Readers::new(&args.vault);
    args.files.iter().try_for_each(|file| {
        if output::is_temporary(file) {
            return Err(Failure::ReservedInput { path: file.clone() });
        }
        readers.check_path("the document", file)
    })?;
    let lock_timeout = args.vault.lock_timeout();
    let vault = Location::find(args.vault)?.open()?;
    let newest = NewestKeys::new(&vault, args.key.as_deref())?;
    let mut rewrapper = Rewrapper { vault: &vault, pool, newest, options, lock_timeout };
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

/// `files`, each with the headers that stopped seals left for it: any may be the one that opens.
fn with_next_headers(files: Vec<PathBuf>) -> Vec<PathBuf> {
    files
        .into_iter()
        .flat_map(|file| {
            let next = next_header::next_headers(&file);
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
        let input = Input::open_file(&self.path)?;
        platform::read_here_and_there(input.file());
        let counted = Counted { file: input.file(), name: &self.name, counts: &self.counts };
        Header::read_at(&counted)
            .map_err(|error| header_failure(&self.name, error, "rewrap that file"))
    }

    fn refused(&self, source: Error) -> Failure {
        Failure::Document { name: self.name.clone(), source }
    }
}

/// A document that is to be unlocked.
struct Locked {
    header: Header,
    targets: Vec<Target>,
}

/// A document that was unlocked, and recipients that wait to be proved.
struct Unlocked<C> {
    rewrap: Rewrap<C>,
    /// Each recipient that goes, and the one that takes its place.
    exchanged: Vec<(Recipient, Recipient)>,
}

/// Vault, threads, keys and options for all batches.
struct Rewrapper<'v, C> {
    vault: &'v LocalVault,
    pool: ThreadPool,
    newest: NewestKeys<'v>,
    options: RewrapOptions<C>,
    /// The longest wait for another process that writes a file.
    lock_timeout: Option<Duration>,
}

/// Outcome for a file; `None` where it is to be tried again.
type Done = Result<Option<Outcome>, Failure>;

impl<C: Exchange> Rewrapper<'_, C> {
    fn rewrap(&mut self, mut batch: Vec<Job>) -> Vec<(Job, Done)> {
        for job in &mut batch {
            job.attempts += 1;
        }
        let headers: Vec<_> = self.pool.install(|| batch.par_iter().map(Job::read).collect());
        let locked: Vec<_> =
            headers.into_iter().zip(&batch).map(|(header, job)| self.decide(job, header)).collect();
        let is_own = |one: &&Recipient| own_id(one, self.vault.id()).is_some();
        let answers = self.ask(&locked, |one| one.header.recipients().iter().filter(is_own));
        let this = &*self;
        let unlocked: Vec<_> = this.pool.install(|| {
            let locked = locked.into_par_iter().zip(answers).zip(&batch);
            locked.map(|((locked, answers), job)| this.unlock(job, locked?, answers)).collect()
        });
        let answers = this.ask(&unlocked, |one| one.exchanged.iter().map(|(_, new)| new));
        this.pool.install(|| {
            let unlocked = batch.into_par_iter().zip(unlocked).zip(answers);
            unlocked
                .map(|((job, unlocked), answers)| {
                    let done = unlocked.and_then(|unlocked| this.write(&job, unlocked, answers));
                    (job, done)
                })
                .collect()
        })
    }

    /// Has the vault unwrap the recipients of many documents.
    fn ask<'d, D: Sync, I: Iterator<Item = &'d Recipient>>(
        &self,
        documents: &'d [Result<D, Failure>],
        recipients: impl Fn(&'d D) -> I,
    ) -> Vec<Vec<Answer>> {
        let numbered = documents.iter().enumerate();
        let asked = numbered.filter_map(|(number, one)| Some((number, one.as_ref().ok()?)));
        let asked = asked
            .flat_map(|(number, one)| recipients(one).map(move |one| (number, one.clone())))
            .collect();
        self.pool.install(|| asking::ask(self.vault, documents.len(), asked))
    }

    /// Decides on the exchange of recipients in a file that has `header`.
    fn decide(&mut self, job: &Job, header: Result<Header, Failure>) -> Result<Locked, Failure> {
        let header = header?;
        if job.attempts > ATTEMPTS {
            return Err(Failure::Contended { name: job.name.clone() });
        }
        let Some(targets) = self.newest.targets(header.recipients())? else {
            return Err(self.no_key(job, &header));
        };
        Ok(Locked { header, targets })
    }

    fn no_key(&self, job: &Job, header: &Header) -> Failure {
        Failure::NoKey {
            name: job.name.clone(),
            vault: self.vault.path().to_owned(),
            id: self.vault.id().to_string(),
            wrapped_with: ids(header.recipients()).join(", "),
        }
    }

    /// Unlocks the header with what the vault unwrapped, and wraps for the keys that are asked for.
    fn unlock(
        &self,
        job: &Job,
        locked: Locked,
        mut answers: Vec<Answer>,
    ) -> Result<Unlocked<C>, Failure> {
        let Locked { header, targets } = locked;
        let answer = |recipient: &Recipient| {
            let place = answers.iter().position(|(asked, _)| asked == recipient)?;
            Some(answers.swap_remove(place).1)
        };
        let mut rewrap = header
            .rewrap_by(&self.options, answer)
            .map_err(|refusal| refusal.failure_to_rewrap(self.vault, &job.name))?;
        // Whoever else of the vault's opens the document is worth as much as the one that did.
        for (recipient, answer) in answers {
            if let Ok(unwrapped) = answer {
                let _not_the_data_key = C::take_in(&mut rewrap, &recipient, &recipient, &unwrapped);
            }
        }
        let stays = |target: &Target| target.is_named() && rewrap.is_proved(&target.old);
        let exchanged = targets
            .into_iter()
            .filter(|target| !stays(target))
            .map(|Target { old, key }| C::wrap(&rewrap, &old, &key).map(|new| (old, new)))
            .collect::<Result<_, _>>()
            .map_err(|source| job.refused(source))?;
        Ok(Unlocked { rewrap, exchanged })
    }

    /// Takes in the recipients that the vault has unwrapped, and writes the header.
    fn write(&self, job: &Job, unlocked: Unlocked<C>, mut answers: Vec<Answer>) -> Done {
        let Unlocked { mut rewrap, exchanged } = unlocked;
        let mended = exchanged.is_empty();
        let before = ids(rewrap.header().recipients());
        let whole = rewrap.header().slots().iter().all(|state| *state == SlotState::Current);
        if mended && whole {
            return Ok(Some(Outcome::unchanged(before)));
        }
        for (old, new) in exchanged {
            let place = answers.iter().position(|(asked, _)| *asked == new);
            let answer = place.map(|place| answers.swap_remove(place).1);
            let unwrapped = answer
                .unwrap_or(Err(Refusal::Engine(Error::Authentication)))
                .map_err(|refusal| refusal.failure_to_prove(&new, self.vault, &job.name))?;
            C::take_in(&mut rewrap, &old, &new, &unwrapped)
                .map_err(|source| job.refused(source))?;
        }
        let written = write::write(job, &rewrap, self.lock_timeout)?;
        let in_place = match written {
            Written::ChangedMeanwhile => return Ok(None),
            Written::InPlace => true,
            Written::NewFile => false,
        };
        Ok(Some(Outcome::written(before, ids(rewrap.recipients()), in_place, mended)))
    }
}

/// The ids of the keys that `recipients` need, as the header names them.
fn ids(recipients: &[Recipient]) -> Vec<String> {
    recipients.iter().map(|recipient| recipient.key_id().as_str().to_owned()).collect()
}
