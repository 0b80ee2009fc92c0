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
    location.parts().next().is_some_and(|first| first.as_ref() == HIDDEN)
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
    use super::*;

    #[test]
    fn only_the_first_part_counts() {
        assert!(is_hidden(&hidden(&["manifest"])));
        assert!(is_hidden(&Path::from(".strongroom")));
        for path in ["", "a/.strongroom/b", ".strongroom2/a", "strongroom/a"] {
            assert!(!is_hidden(&Path::from(path)), "{path}");
        }
        assert!(check(&Path::from(".strongroom/manifest")).is_err());
    }
}
