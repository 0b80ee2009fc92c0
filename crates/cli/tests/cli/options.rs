//! Each option, and what is printed.

use serde_json::Value;

use crate::home::{Done, Home, bytes};

fn json(text: &str) -> Value {
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

fn backends(home: &Home) -> Vec<String> {
    let listed = home.run(["backends"]).succeeds();
    listed.text().lines().map(|line| line.trim_end_matches(" (default)").to_owned()).collect()
}

#[test]
fn every_backend_opens_what_every_other_sealed() {
    let home = Home::with_vault();
    let plain = bytes(300_001);
    home.write("plain", &plain);
    let names = backends(&home);
    assert_eq!(names.last().unwrap(), "software");
    for sealing in &names {
        home.run(["seal", "plain", "--force", "--backend", sealing]).succeeds();
        for opening in &names {
            let opened = home
                .command(["open", "plain.sealed", "-o", "back", "--force", "--json"])
                .env("STRONGROOM_BACKEND", opening)
                .output()
                .unwrap();
            let report = json(std::str::from_utf8(&opened.stdout).unwrap());
            assert_eq!(report["backend"], opening.as_str());
            assert_eq!(home.read("back"), plain);
        }
    }
    // The command line wins over the environment.
    let verified = home
        .command(["verify", "plain.sealed", "--json", "--backend", "software"])
        .env("STRONGROOM_BACKEND", &names[0])
        .output()
        .unwrap();
    assert_eq!(json(std::str::from_utf8(&verified.stdout).unwrap())["backend"], "software");
}

#[test]
fn backends_lists_the_default_first() {
    let home = Home::new();
    let names = backends(&home);
    let listed = home.run(["backends"]).succeeds();
    assert!(listed.text().starts_with(&format!("{} (default)\n", names[0])), "{}", listed.text());
    let value = json(home.run(["backends", "--json"]).succeeds().text());
    let entries = value.as_array().unwrap();
    assert_eq!(entries.len(), names.len());
    for (index, (entry, name)) in entries.iter().zip(&names).enumerate() {
        assert_eq!(entry["name"], name.as_str());
        assert_eq!(entry["default"], index == 0);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let home = Home::with_vault();
    let plain = bytes(2_000_003);
    home.write("plain", &plain);
    for threads in ["1", "2", "7", "1024"] {
        let seal = ["seal", "plain", "--force", "--chunk-size", "64KiB", "--threads", threads];
        let sealed = home.run(seal).succeeds();
        let plural = if threads == "1" { "" } else { "s" };
        assert!(
            sealed.text().contains(&format!(", {threads} thread{plural})")),
            "{}",
            sealed.text()
        );
        let open = ["open", "plain.sealed", "-o", "back", "--force", "--threads", threads];
        home.run(open).succeeds();
        assert_eq!(home.read("back"), plain);
    }
}

#[test]
fn a_context_binds_the_document() {
    let home = Home::with_vault();
    home.write("plain", b"for tenant seven");
    let seal = ["seal", "plain", "--context", "tenant=7", "--context", "purpose=a=b"];
    home.run(seal).succeeds();
    let open = ["open", "plain.sealed", "-o", "-", "--context", "purpose=a=b"];
    let opened = home.run(open.into_iter().chain(["--context", "tenant=7"])).succeeds();
    assert_eq!(opened.stdout, b"for tenant seven");

    let wrong = "plain.sealed: authentication of its header failed: the key or the context is not the \
                 one it was sealed with, or the header was changed; give the --context it was sealed \
                 with, or restore the file from a copy";
    home.run(open).fails_with(wrong);
    home.run(open.into_iter().chain(["--context", "tenant=8"])).fails_with(wrong);
    home.run(["verify", "plain.sealed"]).fails_with(wrong);
}

#[test]
fn a_check_opens_again_with_another_backend_and_compares() {
    let home = Home::with_vault();
    let plain = bytes(500_000);
    home.write("plain", &plain);
    let names = backends(&home);
    for backend in &names {
        let args = ["seal", "plain", "--check", "--force", "--json", "--backend", backend];
        let report = json(home.run(args).succeeds().text());
        let other = names.iter().find(|name| *name != backend).unwrap_or(backend);
        assert_eq!(report["check"]["backend"], other.as_str());
        assert_eq!(report["check"]["compared"], true);
    }
    let line = home.run(["seal", "plain", "--check", "--force"]).succeeds();
    assert!(line.text().contains("and compared with the input in "), "{}", line.text());

    let line = home.pipe(["seal", "-", "-o", "piped", "--check"], &plain).succeeds();
    assert!(line.text().contains("and authenticated in "), "{}", line.text());
    home.run(["open", "piped", "-o", "back"]).succeeds();
    assert_eq!(home.read("back"), plain);
}

#[test]
fn the_last_line_has_the_figures_and_stands_where_no_document_goes() {
    let home = Home::with_vault();
    home.write("plain", &bytes(123_456));
    let sealed = home.run(["seal", "plain"]).succeeds();
    assert_eq!(sealed.stderr, "");
    let line = sealed.text();
    assert!(line.starts_with("sealed plain to plain.sealed: 123456 bytes in 0."), "{line}");
    for part in [" s, ", " GB/s (backend ", " thread"] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(line.lines().count(), 1);

    let opened = home.run(["open", "plain.sealed", "-o", "-"]).succeeds();
    assert_eq!(opened.stdout.len(), 123_456);
    let line = opened.stderr;
    assert!(line.starts_with("opened plain.sealed to standard output: 123456 bytes in "), "{line}");
    assert_eq!(line.lines().count(), 1);

    let verified = home.run(["verify", "plain.sealed"]).succeeds();
    assert!(verified.text().starts_with("verified plain.sealed: 123456 bytes in "));

    let report = json(home.run(["seal", "plain", "--force", "--json"]).succeeds().text());
    assert_eq!(report["operation"], "sealed");
    assert_eq!(report["input"], "plain");
    assert_eq!(report["output"], "plain.sealed");
    assert_eq!(report["bytes"], 123_456);
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    assert!(report["gb_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(report["keys"][0], home.key_id("default/1"));
    assert!(report["threads"].as_u64().unwrap() > 0);
    let report = json(&home.run(["seal", "plain", "-o", "-", "--json"]).succeeds().stderr);
    assert_eq!(report["output"], "standard output");
}

#[test]
fn inspect_needs_no_key_and_says_that_nothing_is_authenticated() {
    let home = Home::with_vault();
    home.write("plain", &bytes(70_000));
    home.run(["seal", "plain", "--chunk-size", "64KiB"]).succeeds();
    std::fs::remove_dir_all(home.default_vault()).unwrap();

    let shown = home.run(["inspect", "plain.sealed"]).succeeds();
    let text = shown.text();
    assert!(text.starts_with("plain.sealed: a sealed document, format version 1\n"), "{text}");
    assert!(text.contains("not authenticated"), "{text}");
    assert!(text.contains("64 KiB"), "{text}");
    assert!(text.contains("70000 bytes"), "{text}");
    assert!(text.contains("RSA-OAEP-256"), "{text}");

    let value = json(home.run(["inspect", "plain.sealed", "--json"]).succeeds().text());
    assert_eq!(value["authenticated"], false);
    assert_eq!(value["chunk_bytes"], 65_536);
    assert_eq!(value["plaintext_bytes"], 70_000);
    assert_eq!(value["layers"], 1);
    assert_eq!(value["recipients"][0]["algorithm"], "RSA-OAEP-256");
    assert_eq!(value["commitment"].as_str().unwrap().len(), 64);

    let piped = home.pipe(["inspect", "-"], &home.read("plain.sealed")).succeeds();
    assert!(piped.text().contains("70000 bytes"));
    let stream = home.pipe(["seal", "-", "--vault", "v"], b"");
    assert_eq!(stream.code, Some(1), "a named vault is never made");
}

#[test]
fn usage_errors_leave_with_code_2_and_the_next_step() {
    let home = Home::new();
    home.write("plain", b"x");
    for (args, expected) in [
        (&["seal"][..], "required arguments"),
        (&["seal", "plain", "--chunk-size", "1MB"], "write it as 65536, 64KiB or 1MiB"),
        (&["seal", "plain", "--chunk-size", "5000"], "a power of two from 4KiB to 16MiB"),
        (&["seal", "plain", "--threads", "0"], "1..=1024"),
        (&["seal", "plain", "--threads", "1025"], "1..=1024"),
        (&["seal", "plain", "--backend", "fpga"], "this processor has: "),
        (&["seal", "plain", "--context", "tenant"], "write it as KEY=VALUE"),
        (&["seal", "plain", "--context", "a=1", "--context", "a=2"], "give each key once"),
        (&["seal", "plain", "-o", "-", "--check"], "name a file with -o"),
        #[cfg(unix)] // a device
        (&["seal", "plain", "-o", "/dev/null", "--check"], "name a file with -o"),
        (&["seal", ""], "give a path, or - for standard input or output"),
        (&["open", "plain"], "does not end in .sealed"),
        (&["vault"], "Usage"),
        (&["shred", "plain"], "unrecognized subcommand"),
    ] {
        let done = home.run(args);
        assert_eq!(done.code, Some(2), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(expected), "{args:?}: {}", done.stderr);
        assert!(done.stdout.is_empty());
    }
    assert_eq!(home.names(), ["plain"]);
    assert!(!home.default_vault().exists());
}

#[test]
fn every_command_has_help_and_the_program_a_version() {
    let home = Home::new();
    for command in
        ["seal", "open", "inspect", "verify", "rewrap", "vault", "backends", "completions"]
    {
        assert!(home.run(["--help"]).succeeds().text().contains(command));
        home.run([command, "--help"]).succeeds();
    }
    let version = home.run(["--version"]).succeeds();
    assert_eq!(version.text(), concat!("strongroom ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_variable_that_is_empty_is_as_one_that_is_not_set() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    let mut command = home.command(["seal", "plain"]);
    for variable in ["VAULT", "PASSPHRASE_FILE", "BACKEND", "HOME"] {
        command.env(format!("STRONGROOM_{variable}"), "");
    }
    Done::of(&command.output().unwrap()).succeeds();
    let mut open = home.command(["open", "plain.sealed", "-o", "-"]);
    open.env("STRONGROOM_VAULT", "").env("STRONGROOM_BACKEND", "software");
    assert_eq!(Done::of(&open.output().unwrap()).succeeds().stdout, b"text");
    let mut named = home.command(["open", "plain.sealed", "-o", "-"]);
    named.env("STRONGROOM_VAULT", "nowhere");
    assert_eq!(Done::of(&named.output().unwrap()).code, Some(1));
}

#[test]
fn a_document_that_would_expire_at_once_is_refused() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    for duration in ["0s", "0d"] {
        let seal = ["seal", "plain", "--expires-in", duration];
        home.run(seal).is_refused_with("it must be longer than nothing");
    }
}
