//! Counts of each thing met: a model that never gets anywhere agrees with everything.

use std::collections::BTreeMap;
use std::fmt;

/// Names that are met at least once in so many histories, by kind. Each is met four times as often or more, so
/// that no seed falls short by chance.
const EXPECTED: &[(usize, &str, &[&str])] = &[
    (2, "done", &["Enable", "Move", "Open", "Refresh", "Seal"]),
    (2, "state", &["Active"]),
    (2, "step", &["KeyChange", "Pass"]),
    (2, "step in trouble", &[""]),
    (10, "done", &["Disable", "ShredDue"]),
    (10, "refused", &["Enable", "Open", "Refresh", "Restore", "Rotate", "Seal"]),
    (10, "step", &["AllWell", "Back", "Outage", "Restart"]),
    (20, "done", &["Rotate", "RotateResourceKey", "RotateServiceKey", "Sweep"]),
    (20, "fault", &["customer Bad(Fail)", "customer Refused(Permission)"]),
    (20, "refused", &["Disable", "RotateResourceKey"]),
    (20, "state", &["Managed"]),
    (20, "step", &["Tamper"]),
    (20, "trouble", &["AuditDown", "StoreAfter", "StoreDown"]),
    (50, "done", &["Delete", "IdentityDisabled", "Restore", "Revoke"]),
    (
        50,
        "fault",
        &[
            "customer Bad(Hang)",
            "customer Bad(OtherKey)",
            "customer Bad(Refuse(Firewall))",
            "customer Bad(Refuse(Identity))",
            "customer Bad(Throttle(Some(20)))",
            "customer Refused(KeyDisabled)",
            "customer Refused(KeyMissing)",
        ],
    ),
    (50, "refused", &["CreateAgain", "IdentityDisabled", "Revoke", "ShredDue"]),
    (50, "request refused", &["customer Get", "customer UnwrapKey", "customer WrapKey"]),
    (
        50,
        "state",
        &[
            "Denied(IdentityDisabled)",
            "Denied(OtherTenant)",
            "Denied(Revoked)",
            "Pending(ResourceDeleted)",
        ],
    ),
    (100, "crashed", &["Enable", "Open", "Refresh", "Seal"]),
    (
        100,
        "state",
        &[
            "Denied(Vault(Permission))",
            "Pending(Vault(KeyDisabled))",
            "Pending(Vault(KeyMissing))",
            "Pending(Vault(Permission))",
            "Shredded",
            "closed by the identity's answers",
        ],
    ),
    (200, "crashed", &["Disable", "Rotate", "RotateResourceKey", "ShredDue"]),
    (200, "fault", &["customer Bad(Crash)", "service Bad(Crash)", "service Bad(Fail)"]),
    (200, "state", &["Denied(Vault(KeyDisabled))", "Denied(Vault(KeyMissing))", "Rotating"]),
    (200, "request refused", &["service UnwrapKey", "service WrapKey"]),
    (500, "request refused", &["service Get"]),
    (
        1000,
        "crashed",
        &[
            "CreateAgain",
            "Delete",
            "IdentityDisabled",
            "Move",
            "Restore",
            "Revoke",
            "RotateServiceKey",
            "Sweep",
        ],
    ),
    (
        1000,
        "fault",
        &[
            "customer Bad(Invalid)",
            "customer Bad(LoseAnswer)",
            "customer Bad(Throttle(None))",
            "service Bad(Hang)",
            "service Bad(Invalid)",
            "service Bad(LoseAnswer)",
            "service Bad(OtherKey)",
            "service Bad(Refuse(Firewall))",
            "service Bad(Refuse(Identity))",
            "service Bad(Refuse(KeyDisabled))",
            "service Bad(Refuse(KeyMissing))",
            "service Bad(Refuse(Permission))",
            "service Bad(Throttle(None))",
            "service Bad(Throttle(Some(20)))",
        ],
    ),
    (10, "vaults", &["the original is recorded"]),
    (20, "step", &["CopyVault", "MoveVault"]),
    (20, "trail", &["a rollback is seen", "refused without a trail"]),
    (20, "vaults", &["copied"]),
    (50, "step", &["Repair", "Trail"]),
    (50, "trail", &["confirmed", "on a disk", "repaired"]),
    (50, "vaults", &["another location is refused"]),
    (
        100,
        "trail",
        &[
            "a rollback before a repair opens nothing",
            "a rollback may be hidden, and nothing opens",
            "an earlier line is changed",
            "its end is cut off",
            "nothing to do without a trail",
        ],
    ),
    (
        100,
        "vaults",
        &["a location without the key is refused", "closed whatever the other vault says", "moved"],
    ),
    (
        200,
        "trail",
        &[
            "a rollback is seen, and the trail takes nothing",
            "access is taken away without a trail",
            "closed by a repair",
            "it is deleted",
            "its disk has room",
            "its disk is full",
            "its last line is changed",
            "served from memory without a trail",
        ],
    ),
    (
        500,
        "trail",
        &[
            "a line is torn",
            "an earlier line is changed, and a summary tells of it",
            "found at a start",
        ],
    ),
    (500, "vaults", &["the copy is recorded"]),
];

/// Counts by kind and name.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<(&'static str, String), usize>);

impl Tally {
    pub fn note(&mut self, kind: &'static str, name: &str) {
        *self.0.entry((kind, name.to_owned())).or_default() += 1;
    }

    /// Number of times that one thing was met.
    pub fn of(&self, kind: &str, name: &str) -> usize {
        let met = |known: &(&str, String)| known.0 == kind && known.1 == name;
        self.0.iter().filter(|(known, _)| met(known)).map(|(_, count)| count).sum()
    }

    /// Number of times that things of a kind were met.
    pub fn all(&self, kind: &str) -> usize {
        self.0.iter().filter(|((known, _), _)| *known == kind).map(|(_, count)| count).sum()
    }

    pub fn histories(&self) -> usize {
        self.all("history")
    }

    /// Names that were met too seldom for so many histories.
    pub fn missing(&self) -> Vec<String> {
        let histories = self.histories();
        let each = EXPECTED.iter().flat_map(|(one_in, kind, names)| {
            names.iter().map(move |name| (histories / one_in, *kind, *name))
        });
        let missing = each.filter(|(least, kind, name)| self.of(kind, name) < *least);
        missing
            .map(|(least, kind, name)| {
                format!("{kind} {name}: {}, not {least}", self.of(kind, name))
            })
            .collect()
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
