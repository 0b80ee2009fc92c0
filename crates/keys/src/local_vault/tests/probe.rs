use std::io;
use std::path::Path;

use super::super::disk::Step;

pub(in crate::local_vault) fn perform(
    _: Step,
    _: &Path,
    work: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    work()
}
