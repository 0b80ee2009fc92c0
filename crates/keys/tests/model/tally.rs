//! How often each thing was met: a model that never gets anywhere agrees with everything.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by kind and name.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<(&'static str, String), usize>);

impl Tally {
    pub fn note(&mut self, kind: &'static str, name: &str) {
        *self.0.entry((kind, name.to_owned())).or_default() += 1;
    }

    /// How often one thing was met; with an empty name, everything of its kind.
    pub fn of(&self, kind: &str, name: &str) -> usize {
        let met = |known: &(&str, String)| known.0 == kind && (name.is_empty() || known.1 == name);
        self.0.iter().filter(|(known, _)| met(known)).map(|(_, count)| count).sum()
    }

    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|((kind, name), count)| writeln!(f, "{count:8} {kind} {name}"))
    }
}

/// The first word of what a value looks like: the variant of an enum.
pub fn variant(value: &impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}
