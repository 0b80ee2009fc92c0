//! Sizes on the command line and in tables.

/// The bytes in `text`: a number, or one with `KiB`, `MiB` or `GiB`.
///
/// # Errors
///
/// A sentence for clap to print.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let wrong = || "write it as 65536, 64KiB, 1MiB or 1GiB, and above 0".to_owned();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err(wrong()),
    };
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(wrong)
}

/// `bytes` in the largest binary unit that leaves a whole number.
pub(crate) fn display(bytes: usize) -> String {
    match bytes.trailing_zeros() {
        _ if bytes == 0 => "0 B".to_owned(),
        30.. => format!("{} GiB", bytes >> 30),
        20.. => format!("{} MiB", bytes >> 20),
        10.. => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        for (text, bytes, shown) in [
            ("64", 64, "64 B"),
            ("1000B", 1000, "1000 B"),
            ("4096", 4096, "4 KiB"),
            ("16K", 16 << 10, "16 KiB"),
            ("64MiB", 64 << 20, "64 MiB"),
            ("1GiB", 1 << 30, "1 GiB"),
        ] {
            assert_eq!(parse(text), Ok(bytes));
            assert_eq!(display(bytes), shown);
        }
        for text in ["", "0", "KiB", "1 KiB", "1KB", "-1", "1.5MiB", "99999999999999G"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
