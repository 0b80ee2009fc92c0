//! One document under the customer's key: opened, sealed again, compared, named.

use std::io::{self, Write as _};
use std::time::Duration;

use strongroom::Error;
use strongroom::document::{
    Context, Header, Layers, OpenOptions, ReadAt, SealOptions, Sealer, Slots, Totals,
};
use strongroom_keys::resource::{
    DocumentError, DocumentKind, LeasedReader, ResourceId, SealRequest, SealingKeys,
};
use strongroom_keys::{Resources, block_on};

use super::super::super::check::{Compare, is_difference};
use super::super::super::keys::Keys;
use super::super::super::sealed::Sealed;
use super::super::super::unlock::known_len;
use super::super::stored::{Stored, of_document};
use crate::failure::Failure;
use crate::output::NewFile;
use crate::output::pair;
use crate::output::successor::Predecessor;
use crate::platform::Patient;
use crate::tagged::{self, Sink, Source};
use crate::workers::{Grant, Workers};

/// Outcome for a document that is under the key now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was before.
    Unchanged,
    /// It is since now.
    Moved {
        /// Bytes of plaintext.
        bytes: u64,
    },
}

/// Keys, threads and options for all documents.
pub(super) struct Mover<'m> {
    resources: &'m Resources,
    id: &'m ResourceId,
    keys: Keys,
    workers: &'m Workers,
    options: OpenOptions,
    lock_timeout: Option<Duration>,
}

impl<'m> Mover<'m> {
    /// For documents of the resource `id` that were sealed with `context`.
    pub(super) fn new(
        resources: &'m Resources,
        id: &'m ResourceId,
        workers: &'m Workers,
        context: Context,
        lock_timeout: Option<Duration>,
    ) -> Self {
        let keys = Keys::of_resource(resources.clone(), id.clone());
        let options = OpenOptions { context, backend: workers.backend(), ..OpenOptions::default() };
        Self { resources, id, keys, workers, options, lock_timeout }
    }

    /// Moves `document`, unless it is under the key already; `None` where another file has its name by now, which is
    /// kept.
    ///
    /// # Errors
    ///
    /// A [`Failure`]; the document is as it was then.
    pub(super) fn attempt(&self, document: &Stored) -> Result<Option<Outcome>, Failure> {
        let name = document.name();
        let Some(sealed) = document.open_locked(self.lock_timeout)? else { return Ok(None) };
        let header = sealed.header();
        let of_document = |failure| of_document(&name, failure);
        if block_on(self.resources.is_under_cmk(self.id, header))
            .map_err(|error| of_document(error.into()))?
        {
            return Ok(Some(Outcome::Unchanged));
        }
        if sealed.is_header_alone() {
            let next = "name the document that belongs to it as well";
            return Err(Failure::HeaderAlone { name, next });
        }
        let failed = |source| Failure::Move { name: name.clone(), source };
        let body = Predecessor::new(sealed.input().file(), &document.path).map_err(failed)?;
        let of_header = document.header.as_ref();
        let of_header = of_header.map(|path| Predecessor::new(sealed.header_input().file(), path));
        let of_header = of_header.transpose().map_err(failed)?;
        let successor = |of: &Predecessor<'_>| {
            of.successor(self.lock_timeout).map_err(|made| made.into_move(&name))
        };
        let new = New {
            document: successor(&body)?,
            header: of_header.as_ref().map(successor).transpose()?,
        };

        let as_it_was = || match &of_header {
            Some(header) => Ok(body.is_as_it_was()? && header.is_as_it_was()?),
            None => body.is_as_it_was(),
        };
        let made = self.seal_again(&sealed, &new).and_then(|(totals, grant)| {
            body.hand_over(&new.document).map_err(failed)?;
            if let (Some(of), Some(header)) = (&of_header, &new.header) {
                of.hand_over(header).map_err(failed)?;
            }
            self.compare(&sealed, &new, &totals)?;
            // What is sealed under keys that were withdrawn meanwhile gets no name.
            grant.renew()?;
            Ok(totals)
        });
        let totals = match made {
            // What was written to meanwhile is not damaged.
            Err(_) if !as_it_was().map_err(failed)? => return Ok(None),
            made => made.map_err(of_document)?,
        };
        sealed.say_other_names();
        let may_be = || as_it_was().map_err(failed);
        let published = match new {
            New { document, header: Some(header) } => {
                pair::publish_if(document, header, self.lock_timeout, &may_be)
            }
            New { document, header: None } => document.publish_if(&may_be),
        };
        let published = published.map_err(|failure| failure.into_move(&name))?;
        Ok(published.then_some(Outcome::Moved { bytes: totals.plaintext_len }))
    }

    /// Opens `sealed` and seals it again, from memory to memory, into `new`.
    fn seal_again(&self, sealed: &Sealed, new: &New) -> Result<(Totals, Grant), Failure> {
        let (header, name) = (sealed.header(), sealed.input().name());
        let opener = sealed.unlock(&self.keys, &self.options)?;
        let request = self.like(header);
        let keys = block_on(self.resources.sealing_keys(self.id, &request))?;
        self.refuse_one_layer(&keys)?;
        let grant = Grant { resources: self.resources.clone(), lease: keys.lease().clone() };
        let made = Sealer::new(header.plaintext_len(), keys.layers(), &request.options);
        let mut sealer = made.map_err(|error| tagged::failure(name, error))?;
        if let Some(file) = &new.header {
            let bytes;
            (bytes, sealer) = sealer.detached();
            let written = Patient(file.file()).write_all(&bytes);
            written.map_err(|source| Failure::Move { name: name.to_owned(), source })?;
        }
        let sink = Sink { file: new.document.file(), name };
        let run = self.workers.run("moving", known_len(header), Some(&grant), |run| {
            let mut text = opener.into_stream_reader(sealed.stream()?, run)?;
            sealer.seal_stream(&mut text, &mut { sink }, run).map_err(cause)
        });
        let (totals, _) = run.map_err(|error| match grant.renew() {
            // Where the keys were withdrawn meanwhile, that is the reason, whatever failed for it.
            Err(withdrawn) => withdrawn.into(),
            Ok(()) => sealed.failure(error, &self.keys, &self.options).into_move(name),
        })?;
        Ok((totals, grant))
    }

    /// The request that makes a document like that of `header`.
    fn like(&self, header: &Header) -> SealRequest {
        // Only a model is under the customer's key whatever that covers.
        let request = SealRequest::of(DocumentKind::Model);
        let options = SealOptions {
            chunk_len: header.chunk_len(),
            context: self.options.context.clone(),
            expires_at: header.expires_at(),
            slots: if header.slots().len() == 1 { Slots::One } else { Slots::Two },
            backend: self.options.backend,
        };
        SealRequest { options, ..request }
    }

    /// Refuses keys without the customer's: it was disabled while this ran.
    fn refuse_one_layer(&self, keys: &SealingKeys) -> Result<(), Failure> {
        if matches!(keys.layers(), Layers::Two { .. }) {
            return Ok(());
        }
        Err(Failure::from(strongroom_keys::Error::Contended { resource: self.id.clone() }))
    }

    /// Opens `new` again and holds it against the text of `sealed`.
    fn compare(&self, sealed: &Sealed, new: &New, sealing: &Totals) -> Result<(), Failure> {
        let name = sealed.input().name();
        let backend = self.workers.other_backend();
        let differs = || Failure::MovedOther { name: name.to_owned(), backend: backend.name() };
        let holder = new.header.as_ref().unwrap_or(&new.document);
        let header = Header::read_at(&Source { file: holder.file(), name })
            .map_err(|error| tagged::failure(name, error))?;
        let old = sealed.header();
        if !block_on(self.resources.is_under_cmk(self.id, &header))? || !is_like(old, &header) {
            return Err(differs());
        }
        let options = OpenOptions { backend, ..self.options.clone() };
        let opener =
            self.keys.unlock(&header, name, &options).map_err(|failure| match failure {
                Failure::Document { .. } => differs(),
                failure => failure,
            })?;
        let opener = if new.header.is_some() { opener.detached() } else { opener };
        let grant = self.keys.grant(opener.lease());
        let before = sealed.unlock(&self.keys, &self.options)?;
        let source = Source { file: sealed.input().file(), name };
        let run = self.workers.run("checking", known_len(&header), grant.as_ref(), |run| {
            let input = Text(before.into_reader(source)?);
            let written = Source { file: new.document.file(), name };
            opener.open_file(&written, &Compare { input }, run)
        });
        let causes = |error| match error {
            DocumentError::Document(error) => cause(error),
            refused @ DocumentError::Resource(_) => refused,
        };
        let (totals, _) = run.map_err(|error| match causes(error) {
            DocumentError::Document(Error::Authentication | Error::Format { .. }) => differs(),
            DocumentError::Document(Error::Io { ref source, .. }) if is_difference(source) => {
                differs()
            }
            error => sealed.failure(error, &self.keys, &self.options),
        })?;
        if totals == *sealing { Ok(()) } else { Err(differs()) }
    }
}

/// The files of a document that was sealed again.
struct New {
    document: NewFile,
    header: Option<NewFile>,
}

/// True where two headers say the same of their documents, but for keys.
fn is_like(one: &Header, other: &Header) -> bool {
    let said = |header: &Header| {
        (header.plaintext_len(), header.chunk_len(), header.expires_at(), header.slots().len())
    };
    said(one) == said(other)
}

/// The text of a sealed document.
struct Text<'s>(LeasedReader<Source<'s>>);

impl ReadAt for Text<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset).map_err(|error| match error {
            DocumentError::Document(error) => error.into(),
            DocumentError::Resource(error) => error.into(),
        })
    }

    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.0.layout().plaintext_len())
    }
}

/// The error of the opener within one of reading its text, which is where a sealer has it.
fn cause(error: Error) -> DocumentError {
    let Error::Io { doing, source } = error else { return error.into() };
    match source.downcast::<Error>() {
        Ok(error) => error.into(),
        Err(source) => match source.downcast::<strongroom_keys::Error>() {
            Ok(refused) => refused.into(),
            Err(source) => Error::Io { doing, source }.into(),
        },
    }
}
