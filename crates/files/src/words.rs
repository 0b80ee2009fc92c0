//! The system's errors in words.

use std::io;

/// The words of `error` without its number, which says nothing to a user.
///
/// # Example
///
/// ```
/// let error = std::fs::read("/no/such/file").unwrap_err();
/// assert!(!strongroom_files::words(&error).contains("os error"));
/// let error = std::io::Error::other("the disk is away");
/// assert_eq!(strongroom_files::words(&error), "the disk is away");
/// ```
#[must_use]
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, number)) if number.trim_end_matches(')').parse::<i32>().is_ok() => {
            words.to_owned()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_and_words_stay() {
        let system = io::Error::from_raw_os_error(2);
        assert!(system.to_string().starts_with(&words(&system)));
        assert!(!words(&system).contains('('), "{}", words(&system));
        let own = io::Error::other("it (os error 2) is quoted");
        assert_eq!(words(&own), "it (os error 2) is quoted");
    }
}
