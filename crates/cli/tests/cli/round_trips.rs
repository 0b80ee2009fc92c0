//! Round trips: a sealed document opens to the same bytes, over files and pipes.

use crate::home::{Home, bytes};

const CHUNK: usize = 4096;

/// Around each boundary that the format has.
const LENGTHS: [usize; 9] =
    [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK - 1, 5 * CHUNK, 5 * CHUNK + 17];

#[test]
fn every_length_survives_every_way_in_and_out() {
    let home = Home::with_vault();
    for length in LENGTHS {
        let plain = bytes(length);
        home.write("plain", &plain);

        home.run(["seal", "plain", "-o", "file", "--chunk-size", "4KiB", "--force"]).succeeds();
        let from_file = home.run(["seal", "plain", "-o", "-", "--chunk-size", "4096"]).succeeds();
        home.write("out", &from_file.stdout);
        home.pipe(["seal", "-", "-o", "in", "--chunk-size", "4K", "--force"], &plain).succeeds();
        let piped = home.pipe(["seal", "-", "--chunk-size", "4KiB"], &plain).succeeds();
        home.write("pipe", &piped.stdout);

        for sealed in ["file", "out", "in", "pipe"] {
            let contents = home.read(sealed);
            home.run(["open", sealed, "-o", "back", "--force"]).succeeds();
            assert_eq!(home.read("back"), plain, "{length} bytes by {sealed} to a file");
            home.pipe(["open", "-", "-o", "back", "--force"], &contents).succeeds();
            assert_eq!(home.read("back"), plain, "{length} bytes by {sealed} from a pipe");
            let back = home.run(["open", sealed, "-o", "-"]).succeeds();
            assert_eq!(back.stdout, plain, "{length} bytes by {sealed} to a pipe");
            let back = home.pipe(["open", "-"], &contents).succeeds();
            assert_eq!(back.stdout, plain, "{length} bytes by {sealed} through pipes");
            home.run(["verify", sealed]).succeeds();
            home.pipe(["verify", "-"], &contents).succeeds();
        }
    }
    assert_eq!(home.names(), ["back", "file", "in", "out", "pipe", "plain"]);
}

#[test]
fn the_names_of_outputs_follow_from_the_inputs() {
    let home = Home::with_vault();
    let plain = bytes(3_000_000);
    home.write("thesis.pdf", &plain);
    home.run(["seal", "thesis.pdf"]).succeeds();
    std::fs::remove_file(home.path("thesis.pdf")).unwrap();
    home.run(["open", "thesis.pdf.sealed"]).succeeds();
    assert_eq!(home.read("thesis.pdf"), plain);
    assert_eq!(home.names(), ["thesis.pdf", "thesis.pdf.sealed"]);
}

#[test]
fn documents_outlive_a_rotation_of_their_key() {
    let home = Home::with_vault();
    home.write("old", b"before");
    home.run(["seal", "old"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    home.write("new", b"after");
    home.run(["seal", "new"]).succeeds();
    assert_eq!(home.run(["open", "old.sealed", "-o", "-"]).succeeds().stdout, b"before");
    assert_eq!(home.run(["open", "new.sealed", "-o", "-"]).succeeds().stdout, b"after");
    let version = |name: &str| {
        let header = home.run(["inspect", name]).succeeds();
        header.text().lines().find(|line| line.contains("local/")).unwrap().to_owned()
    };
    assert!(version("old.sealed").ends_with(&home.key_id("default/1")));
    assert!(version("new.sealed").ends_with(&home.key_id("default/2")));
}
