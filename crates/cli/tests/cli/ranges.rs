//! Parts of a document.

use std::fs;

use crate::home::{Home, bytes};

#[test]
fn every_range_around_every_boundary_is_what_the_whole_document_holds() {
    const LENGTH: usize = 3 * 4096 + 5;
    let home = Home::with_vault();
    let plain = bytes(LENGTH);
    home.write("plain", &plain);
    home.run(["seal", "plain", "-o", "file", "--chunk-size", "4KiB"]).succeeds();
    home.run(["seal", "plain", "-o", "stream", "--chunk-size", "4KiB", "--stream"]).succeeds();
    let edges = [0, 1, 4095, 4096, 4097, 8192, 3 * 4096, LENGTH - 1, LENGTH];
    let mut count = 0;
    for sealed in ["file", "stream"] {
        for start in edges {
            for end in edges.into_iter().filter(|end| *end >= start) {
                let range = format!("{start}..{end}");
                let done = home.run(["open", sealed, "-o", "-", "--range", &range]).succeeds();
                assert!(done.stdout == plain[start..end], "{range} of {sealed}");
                let said = format!(" bytes from {start} to {end} in ");
                assert!(done.stderr.contains(&said), "{}", done.stderr);
                count += 1;
            }
        }
    }
    assert_eq!(count, 2 * 45);
}

#[test]
fn a_range_may_lack_its_start_or_its_end_and_have_units() {
    let home = Home::with_vault();
    let plain = bytes((2 << 20) + 10);
    home.write("plain", &plain);
    home.run(["seal", "plain"]).succeeds();
    for (range, expected) in [
        ("2MiB..", &plain[2 << 20..]),
        ("..4KiB", &plain[..4096]),
        ("1MiB..1048580", &plain[1 << 20..(1 << 20) + 4]),
    ] {
        home.run(["open", "plain.sealed", "-o", "part", "--force", "--range", range]).succeeds();
        assert!(home.read("part") == expected, "{range}");
    }
}

#[test]
fn nothing_outside_the_range_is_read() {
    let home = Home::with_vault();
    let plain = bytes(40_000);
    home.write("plain", &plain);
    home.run(["seal", "plain", "--chunk-size", "4KiB"]).succeeds();
    let mut sealed = home.read("plain.sealed");
    sealed[2560 + 5 * 4112] ^= 1; // chunk 5
    home.write("plain.sealed", &sealed);
    let open = |range: &str| home.run(["open", "plain.sealed", "-o", "-", "--range", range]);
    assert_eq!(open("0..20480").succeeds().stdout, plain[..20_480]);
    assert_eq!(open("24576..").succeeds().stdout, plain[24_576..]);
    open("20480..20481").fails_with(
        "plain.sealed: its header is authentic, and its chunk 6 (bytes 23120 to 27232) was changed, or \
         the end is cut off; restore the file from a copy",
    );
    let file = home.run(["open", "plain.sealed", "-o", "part", "--range", "0..20481"]);
    assert_eq!(file.code, Some(1));
    assert_eq!(home.names(), ["plain", "plain.sealed"]);
}

#[test]
fn ranges_that_are_not_there() {
    let home = Home::with_vault();
    home.write("plain", &bytes(10_000));
    home.run(["seal", "plain"]).succeeds();
    for range in ["..10001", "10001..", "20000..20000", "0..1GiB"] {
        home.run(["open", "plain.sealed", "-o", "x", "--range", range]).fails_with(
            "plain.sealed holds 10000 bytes, and the range goes beyond; give one within 0..10000",
        );
    }
    for (range, reason) in [
        ("5", "write it as START..END, START.. or ..END, for instance 0..4KiB"),
        ("..", "write it as START..END, START.. or ..END, for instance 0..4KiB"),
        ("1KB..", "write it as START..END, START.. or ..END, for instance 0..4KiB"),
        ("8..7", "it ends before it begins"),
    ] {
        let done = home.run(["open", "plain.sealed", "-o", "x", "--range", range]);
        done.is_refused_with(&format!(
            "error: invalid value '{range}' for '--range <START..END>': {reason}\n"
        ));
    }
    // An output of its own: part of a document is not to pass for the whole.
    home.run(["open", "plain.sealed", "--range", "0..5"]).is_refused_with(
        "error: the following required arguments were not provided:\n  --output <OUT>\n",
    );
    assert_eq!(home.names(), ["plain", "plain.sealed"]);
}

#[test]
fn a_stream_has_no_ranges() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let sealed = home.read("plain.sealed");
    let sentence = |name: &str| {
        format!(
            "error: --range reads in the middle of a file, and {name} is read from its beginning only; \
             name a file\n"
        )
    };
    let piped = home.pipe(["open", "-", "-o", "-", "--range", "0..1"], &sealed);
    piped.is_refused_with(&sentence("standard input"));
    #[cfg(unix)] // a shell, and a path of a pipe
    {
        let line = "cat plain.sealed | \"$0\" open /dev/stdin -o - --range 0..1";
        let done = crate::home::Done::of(&home.shell(line).output().unwrap());
        done.is_refused_with(&sentence("/dev/stdin"));
    }
}

#[test]
fn a_streams_length_is_believed_only_when_its_last_chunk_holds() {
    let home = Home::with_vault();
    home.write("plain", &bytes(40_000));
    home.run(["seal", "plain", "-o", "stream", "--chunk-size", "4KiB", "--stream"]).succeeds();
    let sealed = home.read("stream");
    home.write("cut", &sealed[..2560 + 3 * 4112]);
    home.run(["open", "cut", "-o", "-", "--range", "0..10"]).fails_with(
        "cut: its header is authentic, and its chunk 3 (bytes 10784 to 14896) was changed, or the end is \
         cut off; restore the file from a copy",
    );
    fs::remove_file(home.path("cut")).unwrap();
}
