//! A range of bytes on the command line.

use std::ops::Range;

use crate::size::parse_size;

/// Bytes of a plaintext, from `start` to `end`, or to the plaintext's last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    start: u64,
    end: Option<u64>,
}

impl ByteRange {
    /// The range in `text`: `START..END`, `START..` or `..END`.
    ///
    /// # Errors
    ///
    /// A sentence for clap to print.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let form = || "write it as START..END, START.. or ..END, for instance 0..4KiB".to_owned();
        let offset = |text: &str| parse_size(text).ok_or_else(form);
        let (start, end) = match text.split_once("..").ok_or_else(form)? {
            ("", "") => return Err(form()),
            (start, "") => (offset(start)?, None),
            ("", end) => (0, Some(offset(end)?)),
            (start, end) => (offset(start)?, Some(offset(end)?)),
        };
        if end.is_some_and(|end| end < start) {
            return Err("it ends before it begins".to_owned());
        }
        Ok(Self { start, end })
    }

    /// The range in a plaintext of `length` bytes; `None` where it goes beyond.
    pub(crate) fn within(self, length: u64) -> Option<Range<u64>> {
        let end = self.end.unwrap_or(length);
        (self.start <= end && end <= length).then_some(self.start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_a_start_or_an_end_or_both() {
        for (text, start, end) in [
            ("0..10", 0, Some(10)),
            ("5..5", 5, Some(5)),
            ("4KiB..1MiB", 4096, Some(1 << 20)),
            ("2GiB..", 2 << 30, None),
            ("..7", 0, Some(7)),
        ] {
            assert_eq!(ByteRange::parse(text), Ok(ByteRange { start, end }), "{text}");
        }
        for text in ["", "5", "..", "5-7", "a..b", "-1..5", "1...5", "1..=5", "0..99999999999GiB"] {
            assert!(ByteRange::parse(text).unwrap_err().contains("write it as"), "{text}");
        }
        assert!(ByteRange::parse("8..7").unwrap_err().contains("before it begins"));
    }

    #[test]
    fn a_range_is_within_a_plaintext_or_not() {
        let within = |text, length| ByteRange::parse(text).unwrap().within(length);
        assert_eq!(within("2..5", 5), Some(2..5));
        assert_eq!(within("2..", 5), Some(2..5));
        assert_eq!(within("..5", 5), Some(0..5));
        assert_eq!(within("5..", 5), Some(5..5));
        assert_eq!(within("..0", 0), Some(0..0));
        assert_eq!(within("2..6", 5), None);
        assert_eq!(within("6..", 5), None);
        assert_eq!(within("6..6", 5), None);
    }
}
