//! A document and the header that is kept apart from it: two files that appear as one.
//!
//! Two names cannot change in one step, and neither half opens without the other. So where there is a header
//! the new one first gets a name beside its own, the *next* name, where `open` looks for it
//! when the header does not belong to the document. The names then hold (D document, H header, N next
//! header; 1 the old pair, 2 the new one, - nothing):
//!
//! ```text
//!                                  D  H  N   what opens
//! before                           1  1  -   D with H
//! the next header is there         1  1  2   D with H: N does not belong to D
//! the document is replaced         2  1  2   D with N: H does not belong to D
//! the header is replaced           2  2  -   D with H
//! ```
//!
//! Each line is durable before the next begins, and each is whole for every reader. The locks of both directories
//! are held for all of them. A name that was free at the last look is made and never replaced: whoever does not know
//! these locks may have taken it.
//!
//! A run removes nothing but the header that it has made itself, and that only where the document's name certainly
//! has not got the new one.
//!
//! Where there is no header the new one gets its name first, then the document: what a killed run
//! leaves is a header without a document, which loses nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::atomic::Refused;
use super::next_header::{draw, leading, next_headers, own_name, say_kept};
use super::{Existing, NewFile, directory_lock, parent};
use crate::failure::Failure;
use crate::platform::{Directory, Identity};

/// Gives both files their names, durably, as the module says. Where another process names files there, it waits
/// for that, at most as long as `most` says.
///
/// # Errors
///
/// A [`Failure`] when a name is taken and its file is to be kept, or when the system refuses: then
/// everything is as it was, or both are new and the failure says where the header is.
pub(crate) fn publish(
    document: NewFile,
    header: NewFile,
    most: Option<Duration>,
) -> Result<(), Failure> {
    publish_if(document, header, most, &|| Ok(true)).map(drop)
}

/// As [`publish`] where `may_be` still says so once no other process names files there; false where it does not.
///
/// # Errors
///
/// Those of [`publish`] and of `may_be`.
pub(crate) fn publish_if(
    mut document: NewFile,
    mut header: NewFile,
    most: Option<Duration>,
    may_be: &dyn Fn() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    document.settle()?;
    header.settle()?;
    let place = |file: &NewFile| parent(&file.target).to_owned();
    let (of_document, of_header) = (place(&document), place(&header));
    let directories = [(document.directory(), &*of_document), (header.directory(), &*of_header)];
    let lock = directory_lock::lock_both(directories, most)?;
    if !may_be()? {
        return Ok(false);
    }
    let replaces = header.rules.existing == Existing::Replace;
    let (old, old_header) = (document.named()?, header.named()?);
    if replaces && lock.is_none() && (old.is_some() || old_header.is_some()) {
        return Err(Failure::NoLock { path: of_header });
    }
    let left = if replaces { next_headers(&header.target) } else { Vec::new() };

    let last = name_header(&mut header, replaces, old_header.is_some())?;
    let (replaced, named) = name_document(&mut document, replaces, old);
    let not_durable = match named {
        Ok(()) => None,
        Err(refused) if refused.is_named && replaced => Some(document.failure(refused)),
        Err(refused) => return Err(undone(&document, &header, old, refused)),
    };
    if let Some(last) = last {
        let next = header.shown.with_file_name(header.atomic.name());
        if let Err(refused) = header.atomic.rename(last) {
            return Err(if refused.is_named {
                header.failure(refused)
            } else {
                Failure::HeaderName {
                    document: document.name(),
                    own: own_name(&next, &header.shown),
                    next,
                    header: header.shown.clone(),
                    source: refused.source,
                }
            });
        }
    }
    for next in left {
        let shown = header.shown.with_file_name(next.file_name().unwrap_or_default());
        say_kept(&shown, &header.shown);
    }
    not_durable.map_or(Ok(true), Err)
}

/// Gives the header its name, or where there is one that is to be replaced its next name: then it returns the last one.
fn name_header(
    header: &mut NewFile,
    replaces: bool,
    is_taken: bool,
) -> Result<Option<OsString>, Failure> {
    if !(replaces && is_taken) {
        match header.give_name(false) {
            Ok(()) => return Ok(None),
            Err(refused) if replaces && refused.is_taken() => {}
            Err(refused) => return Err(header.withdraw(refused)),
        }
    }
    let next =
        draw(header.atomic.name()).map_err(|source| Failure::write(header.name(), source))?;
    let last = header.atomic.set_name(next);
    match header.give_name(false) {
        Ok(()) => Ok(Some(last)),
        Err(refused) => Err(header.withdraw(refused)),
    }
}

/// Gives the document its name, which `old` had at the last look; true where it was to replace a file.
fn name_document(
    document: &mut NewFile,
    replaces: bool,
    old: Option<Identity>,
) -> (bool, Result<(), Refused>) {
    let is_taken = replaces && old.is_some();
    match document.give_name(is_taken) {
        Err(refused) if replaces && refused.is_taken() => (true, document.give_name(true)),
        named => (is_taken, named),
    }
}

/// Takes the header's name away, where the document certainly has not got its own, and returns what is where.
fn undone(
    document: &NewFile,
    header: &NewFile,
    old: Option<Identity>,
    refused: Refused,
) -> Failure {
    let is_taken = refused.is_taken();
    let header_at = header.shown.with_file_name(header.atomic.name());
    let kept = |source| Failure::HeaderKept {
        document: document.name(),
        header: header_at.clone(),
        source,
    };
    if refused.is_named && !document.atomic.withdraw() {
        return kept(refused.source);
    }
    // What cannot be seen may be the new one.
    if !is_taken && !document.named().is_ok_and(|found| found == old) {
        return kept(refused.source);
    }
    header.atomic.withdraw();
    document.failure(Refused { is_named: false, ..refused })
}

/// Finishes what a stopped run left: where the document at `document` was replaced, and its new header only waits for
/// the name `header`, it gets that, durably. The header that has the name stays beside it under a next name, where
/// `open` finds it: it may be that of another document. True where it did so.
///
/// # Errors
///
/// [`Failure::HeaderName`] when the system refuses; [`Failure::Waited`].
pub(crate) fn finish(
    document: &Path,
    header: &Path,
    most: Option<Duration>,
) -> Result<bool, Failure> {
    let waits = || {
        let (new, old) = (leading(document)?, leading(header)?);
        let last = std::fs::canonicalize(header).ok()?;
        let next = next_headers(header).into_iter().find(|next| leading(next) == Some(new))?;
        (new != old).then_some((next, last))
    };
    let Some((next, last)) = waits() else { return Ok(false) };
    let refused = |next: PathBuf, source| Failure::HeaderName {
        document: document.display().to_string(),
        own: own_name(&next, header),
        next,
        header: header.to_owned(),
        source,
    };
    let directory = Directory::open(parent(&last)).map_err(|source| refused(next, source))?;
    let place = (&directory, parent(&last));
    // Whoever holds it may be about to do the same.
    let lock = directory_lock::lock_both([place, place], most)?;
    if lock.is_none() {
        return Err(Failure::NoLock { path: parent(&last).to_owned() });
    }
    let Some((next, last)) = waits() else { return Ok(false) };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
    let renamed = draw(&name(&last)).and_then(|kept| {
        directory.link_name(&name(&last), &kept)?;
        directory.sync()?;
        directory.rename(&name(&next), &name(&last))?;
        directory.sync()?;
        Ok(kept)
    });
    match renamed {
        Ok(kept) => say_kept(&header.with_file_name(kept), header),
        Err(source) => return Err(refused(next, source)),
    }
    Ok(true)
}
