//! Shell completions of this command's words.

use std::fs::File;
use std::process::Command;

use crate::home::{Done, Home};

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let home = Home::new();
    for shell in SHELLS {
        let done = home.run(["completions", shell]).succeeds();
        assert_eq!(done.stderr, "");
        for word in ["seal", "rewrap", "completions", "detach-header", "range", "enable-cmk"] {
            assert!(done.text().contains(word), "{shell} does not know {word}");
        }
    }
    assert!(home.names().is_empty() && !home.default_vault().exists());
}

#[cfg(unix)] // a shell
#[test]
fn bash_reads_its_script_and_completes_with_it() {
    let home = Home::new();
    let script = home.run(["completions", "bash"]).succeeds();
    home.write("script", &script.stdout);
    let parsed = Command::new("bash").arg("-n").arg(home.path("script")).output().unwrap();
    Done::of(&parsed).succeeds();
    let complete = ". ./script; COMP_WORDS=(strongroom rew); COMP_CWORD=1; \
                    _strongroom strongroom rew strongroom; echo \"${COMPREPLY[*]}\"";
    let completed =
        Command::new("bash").args(["-c", complete]).current_dir(home.work()).output().unwrap();
    assert_eq!(Done::of(&completed).succeeds().text(), "rewrap\n");
}

#[test]
fn a_shell_that_is_not_known_and_an_output_that_is_full() {
    let home = Home::new();
    home.run(["completions", "tcsh"]).is_refused_with("[possible values: bash, elvish, fish");
    home.run(["completions"]).is_refused_with("required arguments");
    #[cfg(unix)] // /dev/full
    {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let done = home.command(["completions", "bash"]).stdout(full).output().unwrap();
        Done::of(&done).fails_with(
            "cannot write standard output: no space is left on the device; send it to another place with >",
        );
    }
}
