//! The output of each command, to the letter; a `#` stands for a figure that differs from run to run.

use std::fmt::Write as _;
use std::fs;

use strongroom::backend::Backend;

use crate::home::{Home, bytes};

/// Options that make a report the same on every machine.
const SAME: [&str; 4] = ["--backend", "software", "--threads", "2"];

/// Runs `line`, cut at spaces, and gives its output.
fn run(home: &Home, line: &str) -> String {
    home.run(line.split(' ')).golden(home)
}

/// The same for a command that has a backend and threads.
fn work(home: &Home, line: &str) -> String {
    home.run(line.split(' ').chain(SAME)).golden(home)
}

/// A home with a file, and that sealed.
fn sealed() -> Home {
    let home = Home::with_vault();
    home.write("plain", &bytes(10_000));
    home.run(["seal", "plain", "--chunk-size", "4KiB"]).succeeds();
    home
}

#[test]
fn seal() {
    let home = Home::new();
    home.write("plain", b"text");
    assert_eq!(
        work(&home, "seal plain"),
        "0\n\
         sealed plain to plain.sealed: 4 bytes in # s, # GB/s (backend software, 2 threads); \
         safe on the disk # s later\n\
         --\n\
         note: created the key \"default\" in the vault VAULT: documents open with this key alone, so \
         keep a copy of the directory in a safe place; losing it loses the documents\n"
    );
    assert_eq!(
        work(&home, "seal plain -o other --json"),
        "0\n\
         {\"operation\":\"sealed\",\"input\":\"plain\",\"output\":\"other\",\"bytes\":4,\"seconds\":#,\
         \"gb_per_second\":#,\"sync_seconds\":#,\"backend\":\"software\",\"threads\":2,\
         \"keys\":[\"local/ID/default/1\"]}\n"
    );
}

#[test]
fn seal_with_a_check() {
    let home = sealed();
    let names = home.run(["backends"]).succeeds();
    let other = names.text().split_whitespace().next().unwrap().to_owned();
    assert_eq!(
        work(&home, "seal plain -o other --check"),
        format!(
            "0\n\
             sealed plain to other: 10000 bytes in # s, # GB/s (backend software, 2 threads); opened \
             again with {other} and compared with the input in # s; safe on the disk # s later\n"
        )
    );
    assert_eq!(
        work(&home, "seal plain -o third --check --json"),
        format!(
            "0\n\
             {{\"operation\":\"sealed\",\"input\":\"plain\",\"output\":\"third\",\"bytes\":10000,\
             \"seconds\":#,\"gb_per_second\":#,\"sync_seconds\":#,\"backend\":\"software\",\
             \"threads\":2,\"keys\":[\"local/ID/default/1\"],\
             \"check\":{{\"backend\":\"{other}\",\"compared\":true,\"seconds\":#}}}}\n"
        )
    );
}

#[test]
fn seal_with_a_detached_header() {
    let home = sealed();
    assert_eq!(
        work(&home, "seal plain -o body --detach-header head"),
        "0\n\
         sealed plain to body and its header to head: 10000 bytes in # s, # GB/s (backend software, \
         2 threads); safe on the disk # s later\n"
    );
    assert_eq!(
        work(&home, "seal plain -o body --detach-header head --force --json"),
        "0\n\
         {\"operation\":\"sealed\",\"input\":\"plain\",\"output\":\"body\",\"header\":\"head\",\
         \"bytes\":10000,\"seconds\":#,\"gb_per_second\":#,\"sync_seconds\":#,\
         \"backend\":\"software\",\"threads\":2,\"keys\":[\"local/ID/default/1\"]}\n"
    );
}

#[test]
fn open() {
    let home = sealed();
    assert_eq!(
        work(&home, "open plain.sealed -o back"),
        "0\n\
         opened plain.sealed to back: 10000 bytes in # s, # GB/s (backend software, 2 threads); \
         safe on the disk # s later\n"
    );
    assert_eq!(
        work(&home, "open plain.sealed -o third --json"),
        "0\n\
         {\"operation\":\"opened\",\"input\":\"plain.sealed\",\"output\":\"third\",\"bytes\":10000,\
         \"seconds\":#,\"gb_per_second\":#,\"sync_seconds\":#,\"backend\":\"software\",\
         \"threads\":2}\n"
    );
    home.write("plain", b"text");
    home.run(["seal", "plain", "--force"]).succeeds();
    assert_eq!(
        work(&home, "open plain.sealed -o -"),
        "0\n\
         text--\n\
         opened plain.sealed to standard output: 4 bytes in # s, # GB/s (backend software, \
         2 threads)\n"
    );
}

#[test]
fn open_a_range() {
    let home = sealed();
    assert_eq!(
        work(&home, "open plain.sealed --range 4090..4100 -o part"),
        "0\n\
         opened plain.sealed to part: 10 bytes from 4090 to 4100 in # s, # GB/s (backend software, \
         2 threads); safe on the disk # s later\n"
    );
    assert_eq!(
        work(&home, "open plain.sealed --range 4KiB.. -o rest --json"),
        "0\n\
         {\"operation\":\"opened\",\"input\":\"plain.sealed\",\"output\":\"rest\",\"bytes\":5904,\
         \"range\":{\"start\":4096,\"end\":10000},\"seconds\":#,\"gb_per_second\":#,\
         \"sync_seconds\":#,\"backend\":\"software\",\"threads\":2}\n"
    );
}

#[test]
fn verify() {
    let home = sealed();
    assert_eq!(
        work(&home, "verify plain.sealed"),
        "0\n\
         verified plain.sealed: 10000 bytes in # s, # GB/s (backend software, 2 threads)\n"
    );
    assert_eq!(
        work(&home, "verify plain.sealed --json"),
        "0\n\
         {\"operation\":\"verified\",\"input\":\"plain.sealed\",\"bytes\":10000,\"seconds\":#,\
         \"gb_per_second\":#,\"backend\":\"software\",\"threads\":2}\n"
    );
}

#[test]
fn inspect() {
    let home = sealed();
    assert_eq!(
        run(&home, "inspect plain.sealed"),
        "0\n\
         plain.sealed: a sealed document, format version 1\n\
         What follows is not authenticated: anyone can write a header. verify authenticates.\n\
         suite       AES-256-GCM, HKDF-SHA-256\n\
         layers      1\n\
         plaintext   10000 bytes\n\
         chunks      4 KiB\n\
         expires     never\n\
         header      2560 bytes, generation 1\n\
         slots       2 of 1024 bytes: current, current\n\
         commitment  #\n\
         sealed for  layer 1, RSA-OAEP-256, local/ID/default/1\n\
         body        10048 bytes, as 10000 bytes of plaintext have\n"
    );
    assert_eq!(
        run(&home, "inspect plain.sealed --json"),
        "0\n\
         {\"input\":\"plain.sealed\",\"authenticated\":false,\"format\":1,\
         \"suite\":\"AES-256-GCM, HKDF-SHA-256\",\"suite_code\":1,\"layers\":1,\
         \"chunk_bytes\":4096,\"plaintext_bytes\":10000,\"expires_at\":null,\
         \"expires_at_rfc3339\":null,\"salt\":\"#\",\"context_tag\":\"#\",\"commitment\":\"#\",\
         \"header_bytes\":2560,\"generation\":1,\"slot_bytes\":1024,\
         \"slots\":[\"current\",\"current\"],\"recipients\":[{\"layer\":1,\
         \"algorithm\":\"RSA-OAEP-256\",\"algorithm_code\":1,\"key\":\"local/ID/default/1\",\
         \"wrapped_bytes\":256}],\"body\":{\"bytes\":10048,\"plaintext_bytes\":10000}}\n"
    );
}

#[test]
fn rewrap() {
    let home = sealed();
    fs::copy(home.path("plain.sealed"), home.path("other")).unwrap();
    fs::copy(home.path("plain.sealed"), home.path("third")).unwrap();
    assert_eq!(
        run(&home, "rewrap other"),
        "0\n\
         other is wrapped as asked already; left as it is\n"
    );
    home.run(["vault", "rotate", "default"]).succeeds();
    assert_eq!(
        run(&home, "rewrap other"),
        "0\n\
         rewrapped other in place: from local/ID/default/1 to local/ID/default/2\n"
    );
    let done = run(&home, "rewrap plain.sealed third");
    assert_eq!(
        done,
        "0\n\
         rewrapped plain.sealed in place: from local/ID/default/1 to local/ID/default/2\n\
         rewrapped third in place: from local/ID/default/1 to local/ID/default/2\n\
         2 files: 2 rewrapped, 0 mended, 0 left as they are, 0 failed; 14368 bytes read and 6144 \
         written in # s\n"
    );
}

#[test]
fn rewrap_as_json() {
    let home = sealed();
    home.run(["vault", "rotate", "default"]).succeeds();
    assert_eq!(
        run(&home, "rewrap plain.sealed missing --json"),
        "1\n\
         {\"operation\":\"rewrapped\",\"rewrapped\":1,\"mended\":0,\"unchanged\":0,\"failed\":1,\
         \"bytes_read\":7184,\"bytes_written\":3072,\"seconds\":#,\"files\":[\
         {\"path\":\"plain.sealed\",\"outcome\":\"rewrapped\",\"from\":[\"local/ID/default/1\"],\
         \"to\":[\"local/ID/default/2\"],\"in_place\":true,\"bytes_read\":7184,\
         \"bytes_written\":3072},\
         {\"path\":\"missing\",\"outcome\":\"failed\",\"from\":[],\"to\":[],\"bytes_read\":0,\
         \"bytes_written\":0,\"error\":\"cannot read missing: there is no such file or directory; \
         check the path\"}]}\n\
         --\n\
         {\"error\":{\"kind\":\"read\",\"message\":\"cannot read missing: there is no such file or \
         directory; check the path\"}}\n\
         {\"error\":{\"kind\":\"some-failed\",\"message\":\"1 of 2 files could not be rewrapped, each \
         named above; mend what is said there, and run the same command again\"}}\n"
    );
}

#[test]
fn vault() {
    let home = Home::new();
    let keep = "keep a copy of it in a safe place, losing it loses the documents sealed with it";
    assert_eq!(
        run(&home, "vault init"),
        format!("0\ninitialised the vault VAULT (id ID): {keep}\n")
    );
    assert_eq!(
        run(&home, "vault list"),
        "0\n\
         vault VAULT (id ID)\n\
         no keys yet: create one with strongroom vault create NAME\n"
    );
    let copy = "copy the vault VAULT to a safe place again";
    assert_eq!(
        run(&home, "vault create invoices"),
        format!("0\ncreated the key \"invoices\": from now on local/ID/invoices/1 seals; {copy}\n")
    );
    assert_eq!(
        run(&home, "vault rotate invoices"),
        format!("0\nrotated the key \"invoices\": from now on local/ID/invoices/2 seals; {copy}\n")
    );
    assert_eq!(
        run(&home, "vault list"),
        "0\n\
         vault VAULT (id ID)\n\
         invoices/1  RSA-OAEP-256  #  enabled\n\
         invoices/2  RSA-OAEP-256  #  enabled\n"
    );
}

#[test]
fn vault_as_json() {
    let home = Home::new();
    let made = |operation: &str, id: &str| {
        format!("0\n{{\"operation\":\"{operation}\",\"vault\":\"VAULT\",\"id\":\"{id}\"}}\n")
    };
    assert_eq!(run(&home, "vault init --json"), made("initialised", "ID"));
    assert_eq!(
        run(&home, "vault list --json"),
        "0\n{\"vault\":\"VAULT\",\"id\":\"ID\",\"keys\":[]}\n"
    );
    assert_eq!(run(&home, "vault create k --json"), made("created", "local/ID/k/1"));
    assert_eq!(run(&home, "vault rotate k --json"), made("rotated", "local/ID/k/2"));
    let listed = home.run(["vault", "list", "--json"]).succeeds();
    let created =
        |version: usize| listed.json()["keys"][0]["versions"][version]["created"].as_u64().unwrap();
    let version = |number: usize| {
        format!(
            "{{\"version\":\"{number}\",\"id\":\"local/ID/k/{number}\",\"algorithm\":\"RSA-OAEP-256\",\
             \"created\":{},\"enabled\":true}}",
            created(number - 1)
        )
    };
    assert_eq!(
        listed.golden(&home),
        format!(
            "0\n{{\"vault\":\"VAULT\",\"id\":\"ID\",\"keys\":[{{\"name\":\"k\",\"versions\":[{},{}]}}]}}\n",
            version(1),
            version(2)
        )
    );
}

#[test]
fn backends() {
    let home = Home::new();
    let names: Vec<&str> = Backend::available().map(Backend::name).collect();
    let (first, others) = names.split_first().unwrap();
    let mut text = format!("0\n{first} (default)\n");
    let mut json = format!("0\n[{{\"name\":\"{first}\",\"default\":true}}");
    for name in others {
        writeln!(text, "{name}").unwrap();
        write!(json, ",{{\"name\":\"{name}\",\"default\":false}}").unwrap();
    }
    assert_eq!(run(&home, "backends"), text);
    assert_eq!(run(&home, "backends --json"), format!("{json}]\n"));
}

#[test]
fn help_has_one_line_for_each_command_and_option() {
    let home = Home::new();
    let help = home.run(["--help"]).succeeds();
    let listed = help.text().split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(
        listed,
        "  seal         Seal a file or a stream\n  \
           open         Open a sealed document\n  \
           inspect      Show the header of a document, without a key\n  \
           verify       Authenticate a whole document and write nothing\n  \
           rewrap       Give documents other recipients without reading what they hold\n  \
           vault        Make, list, rotate and withdraw the keys that documents are sealed under\n  \
           service      Make a service's home: its own keys, its resources and its audit trail\n  \
           resource     Make resources; turn on, rotate and revoke the customers' keys over them\n  \
           service-key  Rotate the service's own key\n  \
           audit        Check the audit trail\n  \
           backends     List the AES-256-GCM implementations that this processor runs, fastest first\n  \
           completions  Print what completes this command's words in a shell\n  \
           help         Print this message or the help of the given subcommand(s)"
    );
    for command in ["seal", "open", "inspect", "verify", "rewrap", "backends", "completions"] {
        let help = home.run([command, "-h"]).succeeds();
        let mut lines = help.text().lines().skip_while(|line| !line.ends_with(':'));
        let mut options = 0;
        while let Some(line) = lines.next() {
            let entry = line.trim_start();
            if line.len() - entry.len() == 2 || line.starts_with("      --") {
                options += 1;
                let words = entry.split("  ").map(str::trim).filter(|word| !word.is_empty());
                // What follows the option's name is on the same line or on the next one.
                let told = words.count() > 1
                    || lines.next().is_some_and(|next| next.starts_with("          "));
                assert!(told, "{command}: {line}");
            }
        }
        assert!(options >= 2, "{command}: {}", help.text());
    }
}

#[test]
fn the_help_of_open_tells_who_reads_a_stream_what_to_check() {
    let help = Home::new().run(["open", "--help"]).succeeds();
    let words: Vec<&str> = help.text().split_whitespace().collect();
    let paragraph = "Into a file the whole document is authenticated before the file gets its name. \
                     Into a stream (-o -) each part is released when it is authenticated, and that \
                     the document was cut off is found at its end: check the exit code before you \
                     trust what you read, and discard it where that is not 0. In a shell's pipeline \
                     use `set -o pipefail`.";
    assert!(words.join(" ").contains(paragraph), "{}", help.text());
}
