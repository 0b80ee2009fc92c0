//! Machine, build and command of a measurement, without which a figure is hearsay.

use std::fs;

use serde::Serialize;

use crate::peer::is_software;

/// The lock file of the workspace: the versions that were built.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The peers that come as crates.
const PEERS: [&str; 8] =
    ["strongroom", "aws-lc-rs", "ring", "graviola", "rind", "rscrypto", "aes-gcm", "rsa"];

/// The machine, the build and the command.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) compiler: &'static str,
    pub(crate) rustcrypto: &'static str,
    pub(crate) transparent_huge_pages: String,
    /// Threads that wanted to run in the minute before, this program's not among them.
    pub(crate) load_before: String,
    pub(crate) versions: Vec<Version>,
}

/// A library and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Machine {
    /// This machine, at the start of a measurement.
    pub(crate) fn here() -> Self {
        let mut versions = versions(LOCK, &PEERS);
        let openssl = openssl::version::version().trim_start_matches("OpenSSL ").to_owned();
        versions.push(Version { name: "openssl".to_owned(), version: openssl });
        Self {
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            command: command(),
            compiler: env!("STRONGROOM_COMPARE_COMPILER"),
            rustcrypto: if is_software() { "software code" } else { "hardware code" },
            transparent_huge_pages: chosen(&read("/sys/kernel/mm/transparent_hugepage/enabled")),
            load_before: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            versions,
        }
    }

    /// The versions in one line.
    pub(crate) fn versions_line(&self) -> String {
        let each: Vec<_> = self
            .versions
            .iter()
            .map(|Version { name, version }| format!("{name} {version}"))
            .collect();
        each.join(", ")
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|_| "unknown".to_owned()).trim().to_owned()
}

fn processor() -> String {
    let information = read("/proc/cpuinfo");
    let name = information.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or(std::env::consts::ARCH, |name| name.trim_start_matches([':', '\t', ' '])).to_owned()
}

fn command() -> String {
    let mut words = vec!["strongroom-compare".to_owned()];
    words.extend(std::env::args().skip(1));
    words.join(" ")
}

/// The choice in brackets, as the kernel prints settings.
fn chosen(setting: &str) -> String {
    setting
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or(setting, |(choice, _)| choice)
        .to_owned()
}

/// The versions that `lock` has of `names`.
fn versions(lock: &str, names: &[&str]) -> Vec<Version> {
    let quoted = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let found: Vec<_> = lock
        .split("[[package]]")
        .filter_map(|package| {
            let name = package.lines().find_map(|line| quoted(line, "name"))?;
            let version = package.lines().find_map(|line| quoted(line, "version"))?;
            Some(Version { name, version })
        })
        .collect();
    names.iter().filter_map(|name| found.iter().find(|v| v.name == *name).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"b\"\nversion = \"2\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"1.0\"\ndependencies = [\n \"b\",\n]\n";
        let version = |name: &str, version: &str| Version {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        assert_eq!(versions(lock, &["a", "b", "c"]), [version("a", "1.0"), version("b", "2")]);
        assert_eq!(versions(LOCK, &PEERS).len(), PEERS.len());
    }

    #[test]
    fn a_setting_is_the_choice_in_brackets() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(chosen("unknown"), "unknown");
    }
}
