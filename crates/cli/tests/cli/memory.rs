//! Memory that a run takes, which must not grow with the document.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::home::{Home, bytes};

const LENGTH_MIB: usize = 256;

/// The promise, in KiB.
const LIMIT: u64 = 128 * 1024;

/// The greatest resident size, in KiB, that the kernel noted while `child` ran.
fn peak(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // Gone when the process has ended; the mark only rises, so the last one counts.
        let line = fs::read_to_string(&status).unwrap_or_default();
        let mark = line.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(mark) = mark.and_then(|mark| mark.trim().strip_suffix(" kB")) {
            peak = mark.parse().unwrap();
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn sealing_and_opening_256_mib_stay_under_128_mib() {
    let home = Home::with_vault();
    let mut file = File::create(home.path("plain")).unwrap();
    let block = bytes(1 << 20);
    for _ in 0..LENGTH_MIB {
        file.write_all(&block).unwrap();
    }
    drop(file);

    let runs: [&[&str]; 6] = [
        &["seal", "plain", "--check"],
        &["seal", "plain", "-o", "many", "--threads", "16", "--chunk-size", "16MiB"],
        &["open", "plain.sealed", "-o", "back"],
        &["open", "plain.sealed", "-o", "-"],
        &["seal", "plain", "-o", "-"],
        &["verify", "many", "--threads", "1024"],
    ];
    for args in runs {
        let child = home.command(args).stdout(Stdio::null()).spawn().unwrap();
        let peak = peak(child);
        println!("{}: {} MiB at the peak", args.join(" "), peak / 1024);
        assert!(peak > 1024, "no mark was seen");
        assert!(peak < LIMIT, "{} took {peak} KiB", args.join(" "));
    }
}
