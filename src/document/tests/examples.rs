//! The worked examples of `docs/format.md`, byte for byte.

use std::fmt::Write as _;

use super::*;

/// The two documents, with every random value fixed.
fn examples() -> [(&'static str, Vec<u8>); 2] {
    let data_keys = [DataKey::new(1, &core::array::from_fn(|i| u8::try_from(i).unwrap()))];
    let salt = core::array::from_fn(|i| u8::try_from(0x80 + i).unwrap());
    let key =
        wrapping("vault/example/1", &core::array::from_fn(|i| u8::try_from(0x40 + i).unwrap()));

    let one_slot = SealOptions { slots: Slots::One, ..SealOptions::default() };
    let keys = [key];
    let known = PlaintextLen::Known(5);
    let known = Sealer::with_data_keys(&data_keys, salt, known, (&keys).into(), &one_slot);
    let two_slots = SealOptions {
        chunk_len: ChunkLen::new(4096).unwrap(),
        context: context(&[("tenant", "7"), ("file", "a.txt")]),
        expires_at: Some(4_102_444_800),
        ..SealOptions::default()
    };
    let stream = PlaintextLen::Stream;
    let stream = Sealer::with_data_keys(&data_keys, salt, stream, (&keys).into(), &two_slots);
    [
        ("Example 1", known.unwrap().seal_slice(b"hello").unwrap()),
        ("Example 2", stream.unwrap().seal_slice(&[b'x'; 4100]).unwrap()),
    ]
}

/// `offset  sixteen bytes` a line; a run of equal lines is `*`, as `xxd -a` and `hexdump` print it.
fn dump(bytes: &[u8]) -> String {
    let mut lines = String::new();
    let mut previous: Option<&[u8]> = None;
    let mut starred = false;
    for (number, line) in bytes.chunks(16).enumerate() {
        if previous == Some(line) {
            if !starred {
                lines.push_str("*\n");
            }
            starred = true;
            continue;
        }
        (previous, starred) = (Some(line), false);
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(lines, "{:08x}  {}", number * 16, hex.join(" ")).unwrap();
    }
    writeln!(lines, "{:08x}", bytes.len()).unwrap();
    lines
}

#[test]
fn format_md_shows_what_is_written() {
    let format = include_str!("../../../docs/format.md");
    for (name, sealed) in examples() {
        let dump = dump(&sealed);
        assert!(format.contains(&dump), "{name} of docs/format.md should be:\n{dump}");
    }
}
