//! Sizes on the command line and in messages.

use strongroom::document::ChunkLen;

/// The chunk length in `text`: bytes, or a number with `KiB` or `MiB` (`K` and `M` for short).
///
/// # Errors
///
/// A sentence for clap to print.
pub(crate) fn parse_chunk_len(text: &str) -> Result<ChunkLen, String> {
    let bytes = parse_size(text).ok_or("write it as 65536, 64KiB or 1MiB")?;
    ChunkLen::new(bytes).map_err(|_| "it must be a power of two from 4KiB to 16MiB".to_owned())
}

/// The number of bytes in `text`: a number alone, or with `KiB`, `MiB` or `GiB`, or their first letter.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit {
        "" | "B" => 0,
        "K" | "k" | "KiB" | "kiB" => 10,
        "M" | "m" | "MiB" => 20,
        "G" | "g" | "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `bytes` as people write it, in the largest binary unit that leaves a whole number.
pub(crate) fn display_size(bytes: u64) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        _ if bytes.trailing_zeros() >= 20 => format!("{} MiB", bytes >> 20),
        _ if bytes.trailing_zeros() >= 10 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        for (text, bytes) in [
            ("65536", 65536),
            ("4096B", 4096),
            ("4KiB", 4096),
            ("4K", 4096),
            ("64k", 65536),
            ("1MiB", 1 << 20),
            ("16M", 16 << 20),
        ] {
            assert_eq!(parse_chunk_len(text).unwrap().bytes(), bytes, "{text}");
        }
        for text in ["", "MiB", "1 MiB", "1MB", "1GB", "-1", "1.5MiB", "0x1000", "99999999999999M"]
        {
            assert!(parse_chunk_len(text).unwrap_err().contains("write it as"), "{text}");
        }
        for text in ["0", "1", "2KiB", "5000", "3MiB", "32MiB", "1GiB"] {
            assert!(parse_chunk_len(text).unwrap_err().contains("power of two"), "{text}");
        }
    }

    #[test]
    fn sizes_are_printed_as_they_are_written() {
        for (bytes, text) in [
            (0, "0 B"),
            (1000, "1000 B"),
            (4096, "4 KiB"),
            (1 << 20, "1 MiB"),
            (3 << 19, "1536 KiB"),
        ] {
            assert_eq!(display_size(bytes), text);
        }
    }
}
