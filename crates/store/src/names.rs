//! Names in the inner store that no client can use: the store's own objects lie under them.

use object_store::path::{Path, PathPart};

use crate::error::StoreError;

/// The first part of the path of each object of the store's own.
const HIDDEN: &str = ".strongroom";

/// The path of an object of the store's own.
pub(crate) fn hidden(parts: &[&str]) -> Path {
    [HIDDEN].iter().chain(parts).map(|part| PathPart::from(*part)).collect()
}

/// True of the store's own objects.
pub(crate) fn is_hidden(location: &Path) -> bool {
    location.parts().next().is_some_and(|first| is_folded_to_hidden(first.as_ref()))
}

/// True of each name that some file system takes for the hidden one: without regard to case, to characters that are not
/// shown, or to dots and spaces at the end.
fn is_folded_to_hidden(name: &str) -> bool {
    let name = name.trim_end_matches(['.', ' ']);
    let folded = name.chars().flat_map(char::to_lowercase).map(|c| match c {
        '\u{17f}' => 's', // the long one
        c => c,
    });
    folded.filter(char::is_ascii_graphic).eq(HIDDEN.chars())
}

/// Refuses a client's path that names an object of the store's own.
pub(crate) fn check(location: &Path) -> Result<(), StoreError> {
    if is_hidden(location) {
        return Err(StoreError::HiddenPath { path: location.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

    use super::*;

    #[test]
    fn only_the_first_part_counts() {
        assert!(is_hidden(&hidden(&["manifest"])));
        assert!(is_hidden(&Path::from(".strongroom")));
        for path in ["", "a/.strongroom/b", ".strongroom2/a", "strongroom/a"] {
            assert!(!is_hidden(&Path::from(path)), "{path}");
        }
        for name in [
            ".Strongroom",
            ".STRONGROOM",
            ".strongroom. .",
            ".strong\u{200c}room",
            ".\u{17f}trongroom",
        ] {
            assert!(is_hidden(&Path::parse(format!("{name}/manifest")).unwrap()), "{name}");
        }
        assert!(check(&Path::from(".strongroom/manifest")).is_err());
    }
}
