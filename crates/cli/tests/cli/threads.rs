//! Number of threads: as many as are asked for, as the system gives, or none but the first.

#[cfg(unix)]
use std::process::Command;

#[cfg(unix)]
use crate::home::Done;
use crate::home::{Home, bytes};

#[cfg(unix)]
/// A stack length that the system refuses every thread, whatever the machine has and does.
const STACK: (&str, &str) = ("RUST_MIN_STACK", "140737488355328");

#[cfg(unix)]
/// `line`, cut at spaces, where no thread is to be had; a command that waits for one is ended.
fn alone(home: &Home, line: &str) -> Done {
    let program = home.command(line.split(' '));
    let mut command = Command::new("timeout");
    command.arg("60").arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(home.work()).env(STACK.0, STACK.1);
    Done::of(&command.output().unwrap())
}

#[cfg(unix)] // a stack that no system has room for, and `timeout`
#[test]
fn no_thread_is_needed() {
    let home = Home::with_vault();
    let text = bytes(5 << 20);
    home.write("plain", &text);
    for line in [
        "seal plain",
        "verify plain.sealed",
        "open plain.sealed -o opened",
        "open plain.sealed --range 7..4000000 -o part",
        "seal plain -o checked --check",
        "vault rotate default",
        "rewrap plain.sealed checked",
        "verify checked",
        "service init --home h",
        "resource create r --tenant t --region e --home h",
        "vault init --vault c --purge-protection --tenant t --region e",
        "vault create k --vault c",
        "vault grant service --vault c",
        "resource enable-cmk r --vault c --key k --home h",
        "seal plain -o of-resource --resource r --home h",
        "open of-resource -o back --home h",
        "resource rotate-key r --home h",
        "audit verify --home h",
    ] {
        alone(&home, line).succeeds();
    }
    assert!(home.read("opened") == text && home.read("back") == text);
    assert!(home.read("part") == text[7..4_000_000]);
    // As many threads as are asked for, or none at all and the reason.
    alone(&home, "seal plain -o two --threads 1").succeeds();
    alone(&home, "seal plain -o three --threads 2").fails_with(
        "cannot start 2 threads: Resource temporarily unavailable (os error 11); give fewer with \
         --threads",
    );
    assert!(!home.path("three").exists());
}

#[test]
fn the_report_tells_the_threads_that_there_were() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    #[cfg(unix)]
    assert_eq!(alone(&home, "verify plain.sealed --json").json()["threads"], 1);
    let three = home.run(["verify", "plain.sealed", "--threads", "3", "--json"]);
    assert_eq!(three.json()["threads"], 3);
}
