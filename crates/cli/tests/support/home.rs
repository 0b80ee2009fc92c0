//! A user of the real binary: a home with its own vault, and a directory to work in.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_strongroom");

/// Note of commands that make keys where permissions cannot be set.
pub(crate) const NOTE: &str = if cfg!(windows) {
    "note: on Windows permissions cannot be set, kept or checked here: a file has those of its directory; \
     choose a directory that only you can open, such as one in your profile\n"
} else {
    ""
};

/// A home directory that nothing else uses, on the disk that the build is on.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(directory.path().join("work")).unwrap();
        Self(directory)
    }

    /// The directory that commands run in.
    pub(crate) fn work(&self) -> PathBuf {
        self.0.path().join("work")
    }

    /// The directory of the vault that the first seal makes.
    pub(crate) fn default_vault(&self) -> PathBuf {
        self.0.path().join(".local/share").join("strongroom").join("vault")
    }

    /// `path`, with `/` between its parts, in that vault, as messages show it.
    pub(crate) fn in_vault(&self, path: &str) -> PathBuf {
        path.split('/').fold(self.default_vault(), |at, part| at.join(part))
    }

    /// The private key of the version `number` (from 1) of the key `name` in that vault.
    pub(crate) fn key_file(&self, name: &str, number: usize) -> PathBuf {
        key_file(&self.default_vault(), name, number)
    }

    /// The id of the version that `key` calls by its number in that vault: `default/1`.
    pub(crate) fn key_id(&self, key: &str) -> String {
        let (name, number) = key.split_once('/').unwrap();
        let vault = self.default_vault();
        let version = &version_ids(&vault, name)[number.parse::<usize>().unwrap() - 1];
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(vault.join("vault.json")).unwrap()).unwrap();
        format!("local/{}/{name}/{version}", manifest["id"].as_str().unwrap())
    }

    /// `text` with its number, from 1, for each version of a key in that vault, in those in the working
    /// directory and in those of services' homes there: ids are others in each run.
    pub(crate) fn numbered(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let beside = fs::read_dir(self.work()).unwrap().map(|entry| entry.unwrap().path());
        for vault in
            beside.flat_map(|path| [path.join("vault"), path]).chain([self.default_vault()])
        {
            for key in fs::read_dir(vault.join("keys")).into_iter().flatten() {
                let name = key.unwrap().file_name().into_string().unwrap();
                for (at, id) in version_ids(&vault, &name).iter().enumerate() {
                    text = text.replace(id, &(at + 1).to_string());
                }
            }
        }
        text
    }

    /// `path` in the working directory.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.work().join(path)
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, path: &str, contents: &[u8]) {
        fs::write(self.path(path), contents).unwrap();
    }

    /// Content of a file in the working directory.
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }

    /// The names in the working directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.work())
    }

    /// The program with `args`, in the working directory, with nothing inherited that it reads.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.at_home(PROGRAM);
        command.args(args);
        command
    }

    /// A shell of the system that runs `line`, in which `$0` is the program on Unix.
    pub(crate) fn shell(&self, line: &str) -> Command {
        if cfg!(windows) {
            let mut command = self.at_home("cmd");
            command.args(["/c", line]);
            return command;
        }
        let mut command = self.at_home("sh");
        command.args(["-c", line, PROGRAM]);
        command
    }

    /// A shell that runs `line` in a session of its own, whose controlling terminal is its standard
    /// input. It ignores no signal, whatever these tests were started with: in the background, or by `nohup`.
    pub(crate) fn in_session(&self, line: &str) -> Command {
        let mut command = self.at_home("env");
        command.args(["--default-signal", "setsid", "--ctty", "--wait", "sh", "-c", line, PROGRAM]);
        command
    }

    fn at_home(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env("HOME", self.0.path())
            // Where Windows keeps a user's data; elsewhere nobody reads it.
            .env("USERPROFILE", self.0.path())
            .env("APPDATA", self.0.path().join(".local/share"))
            .env_remove("XDG_DATA_HOME")
            .env_remove("STRONGROOM_VAULT")
            .env_remove("STRONGROOM_HOME")
            .env_remove("STRONGROOM_PASSPHRASE_FILE")
            .env_remove("STRONGROOM_BACKEND")
            .stdin(Stdio::null());
        command
    }

    /// The same, and nobody hears what it says.
    pub(crate) fn silent<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Done {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Done::of(&started(&mut command).wait_with_output().unwrap())
    }

    /// Runs the program to its end with `input` on standard input through a pipe.
    pub(crate) fn pipe<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Done {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = started(&mut command);
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            // A program that fails early closes the pipe; its message is what counts then.
            scope.spawn(move || stdin.write_all(input));
            Done::of(&child.wait_with_output().unwrap())
        })
    }

    /// Makes the default vault and its key by sealing something.
    pub(crate) fn with_vault() -> Self {
        let home = Self::new();
        home.run(["vault", "init"]).succeeds();
        home.run(["vault", "create", "default"]).succeeds();
        home
    }
}

/// The program, started. Wine on a busy machine starts one of a thousand processes at the second attempt only.
fn started(command: &mut Command) -> Child {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    match command.spawn() {
        Err(error) if cfg!(windows) && error.raw_os_error() == Some(ERROR_INTERNAL_ERROR) => {
            command.spawn().unwrap()
        }
        started => started.unwrap(),
    }
}

/// The file by which commands lock the vault or the home in `directory`.
pub(crate) fn lock_of(directory: &Path) -> File {
    if cfg!(windows) {
        let lock = directory.join(".lock");
        return File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock)
            .unwrap();
    }
    File::open(directory).unwrap()
}

/// The names in `directory`, sorted; without that of the file by which Windows locks a vault.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !(cfg!(windows) && name == ".lock"))
        .collect();
    names.sort();
    names
}

/// The versions of the key `name` of a vault, oldest first.
pub(crate) fn version_ids(vault: &Path, name: &str) -> Vec<String> {
    let attributes = vault.join("keys").join(name).join("attributes.json");
    // A directory without them is not a key.
    let Ok(attributes) = fs::read(attributes) else { return Vec::new() };
    let attributes: serde_json::Value = serde_json::from_slice(&attributes).unwrap();
    let versions = attributes["versions"].as_array().unwrap().iter();
    versions.map(|version| version["version"].as_str().unwrap().to_owned()).collect()
}

/// The private key of the version `number` (from 1) of the RSA key `name` of a vault.
pub(crate) fn key_file(vault: &Path, name: &str, number: usize) -> PathBuf {
    let id = &version_ids(vault, name)[number - 1];
    vault.join("keys").join(name).join(format!("{id}.pem"))
}

/// The permission bits of `path`.
#[cfg(unix)]
pub(crate) fn mode(path: &Path, _: u32) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The permission bits that are expected: there are none.
#[cfg(not(unix))]
pub(crate) fn mode(_: &Path, expected: u32) -> u32 {
    expected
}

/// Gives `path` permission bits.
#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Does nothing on systems without permission bits.
#[cfg(not(unix))]
pub(crate) fn set_mode(_: &Path, _: u32) {}

/// Number of bytes that the process `id` has given to `write` and its like; a dead one's can be read until it
/// is waited for.
pub(crate) fn written(id: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{id}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

/// Waits until `child` has written `bytes` or has ended.
pub(crate) fn wait_until_written(child: &mut Child, bytes: u64) {
    while written(child.id()) < bytes && child.try_wait().unwrap().is_none() {}
}

/// Bytes that do not repeat with any chunk's length.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A document after each conversion as text, with the words of the message about it.
pub(crate) fn converted_as_text(sealed: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let replaced = |from: &[u8], to: &[u8]| {
        let mut out = Vec::new();
        let mut rest = sealed;
        while !rest.is_empty() {
            let (bytes, taken) =
                if rest.starts_with(from) { (to, from.len()) } else { (&rest[..1], 1) };
            out.extend_from_slice(bytes);
            rest = &rest[taken..];
        }
        out
    };
    let text: String = sealed.iter().map(|byte| char::from(*byte)).collect();
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lossy = String::from_utf8_lossy(sealed).into_owned().into_bytes();
    vec![
        (replaced(b"\r\n", b"\n"), "its line ends were changed from CR LF to LF"),
        (replaced(b"\n", b"\r\n"), "its line ends were changed from LF to CR LF"),
        (text.clone().into_bytes(), "it was changed to UTF-8"),
        (lossy, "it was changed to UTF-8"),
        (utf_16.clone(), "it was changed to UTF-16"),
        ([&b"\xFF\xFE"[..], &utf_16].concat(), "it was changed to UTF-16"),
        (
            sealed.iter().map(|byte| byte & 0x7f).collect(),
            "the highest bit of its bytes was removed",
        ),
    ]
}

/// `text` with a `#` for each fraction, each RFC 3339 time and each string of 64 hexadecimal digits.
fn without_figures(text: &str) -> String {
    let part_of_figure = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    let mut left = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !part_of_figure(c)).unwrap_or(rest.len());
        let (word, next) = rest.split_at(length.max(first.len_utf8()));
        let stem = word.trim_matches(['.', ':']);
        let is_fraction = stem.contains(['.', 'e']) && stem.parse::<f64>().is_ok();
        let is_time = stem.len() == 20 && stem.ends_with('Z') && stem.contains('T');
        let is_hash = stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_fraction || is_time || is_hash {
            left.push_str(&word.replacen(stem, "#", 1));
        } else {
            left.push_str(word);
        }
        rest = next;
    }
    left
}

/// Result of a run of the program.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout.clone(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The exit code, standard output and standard error as one text, with a `#` for each figure that is
    /// another one in each run: times, speeds, salts and tags, and the vault's id and place. Versions of keys have
    /// their numbers.
    pub(crate) fn golden(&self, home: &Home) -> String {
        let vault = home.default_vault();
        let mut text = format!("{:?}\n{}", self.code.unwrap(), self.text());
        let stderr = self.stderr.strip_prefix(NOTE).unwrap_or(&self.stderr);
        if !stderr.is_empty() {
            text = format!("{text}--\n{stderr}");
        }
        let vault = vault.to_str().unwrap();
        text = text.replace(vault, "VAULT").replace(&vault.replace('\\', "\\\\"), "VAULT");
        text = home.numbered(&text);
        if let Ok(manifest) = fs::read_to_string(home.in_vault("vault.json")) {
            let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
            text = text.replace(manifest["id"].as_str().unwrap(), "ID");
        }
        without_figures(&text)
    }

    /// The one line of JSON on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.text().lines().count(), 1, "{}", self.text());
        serde_json::from_str(self.text()).unwrap()
    }

    /// Asserts success, and nothing on standard error but notes and a last line.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        assert!(!self.stderr.contains("error:"), "{}", self.stderr);
        self
    }

    /// Asserts that the command line was refused, with words that tell what to do.
    #[track_caller]
    pub(crate) fn is_refused_with(&self, words: &str) {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        assert!(self.stderr.contains(words), "{}", self.stderr);
        assert!(self.stdout.is_empty());
    }

    /// Asserts that it failed with one sentence that has these words.
    #[track_caller]
    pub(crate) fn fails_words(&self, words: &str) {
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        assert!(self.stderr.contains(words), "{words}\n{}", self.stderr);
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{}", self.stderr);
    }

    /// Asserts that it failed with one sentence, `error: SENTENCE`, and printed nothing else.
    #[track_caller]
    pub(crate) fn fails_with(&self, sentence: &str) {
        assert_eq!(self.stderr, format!("error: {sentence}\n"));
        assert_eq!(self.code, Some(1));
        assert!(self.stdout.is_empty(), "{}", String::from_utf8_lossy(&self.stdout));
    }
}

/// Copies the directory `from` with all that is in it to `to`, which is not there.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    #[cfg(unix)]
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The end of a message on the damaged file `path` of the vault or home `root`.
pub(crate) fn put_back(store: &str, root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap();
    let copy = Path::new("COPY").join(inside);
    let (copy, path) = (copy.display(), path.display());
    let command = if cfg!(windows) { "cmd /c copy /y" } else { "cp -p --" };
    format!("put the file of a copy of the {store} in its place, with: {command} {copy} {path}")
}

/// Runs the program with the words of `line`, which is cut at its spaces.
pub(crate) fn run(home: &Home, line: &str) -> Done {
    home.run(line.split(' '))
}

/// Runs each line, which must succeed.
pub(crate) fn lines(home: &Home, all: &[&str]) {
    for line in all {
        run(home, line).succeeds();
    }
}

/// Seals with `line` for as short a time as this machine lets it, a second where it can: the time of expiry, in
/// seconds since 1970. A seal that is slower than its document's time is refused, by name.
pub(crate) fn seal_expiring(home: &Home, line: &str) -> u64 {
    let mut seconds = 1;
    loop {
        let done = run(home, &format!("{line} --expires-in {seconds}s --force --json"));
        if done.code == Some(0) {
            return done.json()["expires_at"].as_u64().unwrap();
        }
        assert!(done.stderr.contains("expired at"), "{}", done.stderr);
        seconds *= 2;
    }
}

/// Waits until the clock is past `time`, in seconds since 1970.
pub(crate) fn wait_until(time: u64) {
    while unix_time() <= time {
        thread::sleep(Duration::from_millis(50));
    }
}

/// Seconds since 1970.
pub(crate) fn unix_time() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH;
    std::time::SystemTime::now().duration_since(since).unwrap().as_secs()
}

/// The paths of the files below `directory`, with their contents, sorted.
pub(crate) fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut left) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Starts `command`, kills it and asks `is_done` of what it left, again and again: after longer and longer times while it
/// is not done, and after shorter ones where it is, so that most kills are close to its end. Each comes three times at
/// least.
pub(crate) fn killed_around_its_end(
    command: impl Fn() -> Command,
    mut is_done: impl FnMut() -> bool,
) {
    let (mut done, mut not_done, mut wait) = (0, 0, Duration::ZERO);
    while done < 3 || not_done < 6 {
        assert!(done + not_done < 200, "{done} were done, and {not_done} were not");
        let mut child = command().spawn().unwrap();
        thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        if is_done() {
            done += 1;
            wait = wait * 2 / 3;
        } else {
            not_done += 1;
            wait = wait * 5 / 4 + Duration::from_millis(2);
        }
    }
}

/// The resource `r` in the home `h`, the vault `c` with the key `k` that it may use, and a document `plain`.
pub(crate) fn service() -> Home {
    let home = Home::new();
    home.write("plain", b"text");
    lines(
        &home,
        &[
            "service init --home h",
            "resource create r --tenant t --region e --home h",
            "vault init --vault c --purge-protection --tenant t --region e",
            "vault create k --vault c",
            "vault grant service --vault c",
        ],
    );
    home
}
