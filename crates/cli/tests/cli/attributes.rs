//! `--preserve` and `--sparse`: permissions, times and holes.

use std::fs::{self, File, FileTimes};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use crate::home::{Home, bytes, mode, set_mode};

#[test]
fn permissions_and_times_are_kept_where_that_is_asked_for() {
    let home = Home::with_vault();
    home.write("plain", &bytes(10_000));
    set_mode(&home.path("plain"), 0o640);
    // Windows counts in 100 nanoseconds.
    let modified = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_700);
    let file = File::options().write(true).open(home.path("plain")).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    let attributes = |path: &str| {
        let path = home.path(path);
        (mode(&path, 0o640), fs::metadata(&path).unwrap().modified().unwrap())
    };
    home.run(["seal", "plain", "--preserve", "--check"]).succeeds();
    assert_eq!(attributes("plain.sealed"), (0o640, modified));
    home.run(["open", "plain.sealed", "-o", "back", "-p"]).succeeds();
    assert_eq!(attributes("back"), (0o640, modified));
    home.run(["open", "plain.sealed", "-o", "back", "-p", "--force"]).succeeds();
    assert_eq!(attributes("back"), (0o640, modified));
    // Those of a file that is replaced make way.
    set_mode(&home.path("back"), 0o600);
    home.run(["open", "plain.sealed", "-o", "back", "-p", "--force"]).succeeds();
    assert_eq!(attributes("back"), (0o640, modified));
    // Otherwise plaintext is its owner's, and new.
    home.run(["open", "plain.sealed", "-o", "other"]).succeeds();
    assert_eq!(mode(&home.path("other"), 0o600), 0o600);
    assert!(attributes("other").1 > modified);

    home.pipe(["seal", "-", "-o", "x", "--preserve"], b"text")
        .is_refused_with("--preserve keeps the permissions and times of a file");
    home.run(["open", "plain.sealed", "-o", "-", "--preserve"])
        .is_refused_with("--preserve gives a file its permissions and times");
    assert!(!home.names().contains(&"x".to_owned()));
}

const LENGTH: usize = 24 << 20;

#[test]
fn holes_come_back_as_holes_where_that_is_asked_for() {
    let home = Home::with_vault();
    let mut plain = vec![0; LENGTH];
    plain[5_000_000..5_010_000].copy_from_slice(&bytes(10_000));
    plain[LENGTH - 9_000_000] = 1;
    home.write("plain", &plain);
    home.run(["seal", "plain", "--chunk-size", "64KiB"]).succeeds();
    #[cfg(unix)] // what a file takes on the disk
    let on_disk = |path: &str| fs::metadata(home.path(path)).unwrap().blocks() * 512;
    home.run(["open", "plain.sealed", "-o", "full"]).succeeds();
    home.run(["open", "plain.sealed", "-o", "sparse", "--sparse"]).succeeds();
    let sealed = home.read("plain.sealed");
    home.pipe(["open", "-", "-o", "piped", "--sparse"], &sealed).succeeds();
    let range = ["open", "plain.sealed", "-o", "range", "--range", "1000..", "--sparse"];
    home.run(range).succeeds();
    #[cfg(unix)]
    assert!(on_disk("full") >= LENGTH as u64);
    for name in ["sparse", "piped", "range"] {
        let expected = if name == "range" { &plain[1000..] } else { &plain[..] };
        assert!(home.read(name) == expected, "{name}");
        #[cfg(unix)]
        assert!(on_disk(name) <= 128 << 10, "{name}: {} bytes on the disk", on_disk(name));
    }
    home.run(["open", "plain.sealed", "-o", "-", "--sparse"])
        .is_refused_with("--sparse leaves holes in a file");
}
