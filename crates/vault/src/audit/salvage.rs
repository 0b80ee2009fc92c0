//! Lines that do not stand in a trail that holds, and are its writers' all the same: behind a damaged one, or in a
//! part that a repair has closed.
//!
//! Such a line names a state that there was once, and says nothing of its place: lines may be missing around it, or stand
//! in another order. So only numbers of states are taken from it, of which the highest counts.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::chain::AuditKey;
use super::line::{AuditLine, LONGEST_LINE, Place, Unchecked, split_mac};
use super::tail;

/// Shows to `visit` each line of the trail `path` whose MAC holds behind the line before it. Best effort: what cannot
/// be read is left out.
pub(super) fn salvage(path: &Path, key: &AuditKey, visit: &mut dyn FnMut(&AuditLine)) {
    let full = tail::full_files(path).unwrap_or_default();
    let full = full.into_iter().map(|number| tail::full_file(path, number));
    for file in full.chain([path.to_owned()]) {
        if let Ok(file) = strongroom_files::open_regular(&file) {
            salvage_file(file, key, visit);
        }
    }
}

fn salvage_file(file: File, key: &AuditKey, visit: &mut dyn FnMut(&AuditLine)) {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let (mut line, mut before) = (Vec::new(), None);
    loop {
        line.clear();
        let read = reader.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            return;
        }
        let whole = line.strip_suffix(b"\n").unwrap_or(&line);
        let place = before.map_or(Place::Begins, Place::After);
        if let Ok(unchecked) = Unchecked::parse(whole)
            && unchecked.check(key, place).is_ok()
        {
            visit(&unchecked.line);
        }
        before = split_mac(whole).map(|(_, mac)| mac);
    }
}
