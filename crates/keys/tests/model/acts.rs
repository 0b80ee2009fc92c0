//! Acts of a service, a customer, a host and an attacker, and troubles meanwhile.

use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use strongroom_keys::vault::DeniedReason;

use crate::copies::{KEYS, Location};
use crate::trails::Harm;

/// Grace time of a lost key, in seconds.
pub const SHRED_GRACE: u64 = 7200;
/// Grace time of a deleted resource, in seconds.
pub const DELETION_GRACE: u64 = 24 * 3600;

/// One thing that a service, a customer or a host does.
#[derive(Clone, Debug)]
pub enum Act {
    Seal {
        result: bool,
        hours: Option<u8>,
    },
    Open(usize),
    /// Under a key of the vault that is named, or of the one that the host knows.
    Enable {
        key: usize,
        at: Option<Location>,
        all: bool,
        shred: bool,
    },
    Disable,
    Rotate {
        to: usize,
        at: Option<Location>,
    },
    RotateResourceKey,
    RotateServiceKey,
    Revoke,
    Refresh,
    IdentityDisabled,
    Move {
        away: bool,
    },
    Delete,
    Restore,
    ShredDue,
    Sweep,
    CreateAgain,
    Pass(u64),
    Restart,
    KeyChange {
        at: Location,
        key: usize,
        change: KeyChange,
    },
    /// The customer's vault is copied, once; from then on both live on.
    CopyVault,
    /// The host says that the customer's vault was moved to this location.
    MoveVault(Location),
    /// All keys are as they should be, and their vault answers.
    AllWell,
    /// From now on the customer's vault does this to every request.
    Outage(Bad),
    Back,
    Tamper(Tamper),
    /// Something befalls the audit trail, where it is on a disk.
    Trail(Harm),
    Repair,
}

impl Act {
    /// True where it only takes access away.
    pub fn only_closes(&self) -> bool {
        matches!(self, Self::Revoke | Self::IdentityDisabled | Self::Move { .. } | Self::Delete)
    }

    /// True where it is about a document.
    pub fn is_document(&self) -> bool {
        matches!(self, Self::Seal { .. } | Self::Open(_))
    }
}

/// Change that the customer makes to a key.
#[derive(Clone, Copy, Debug)]
pub enum KeyChange {
    Enabled(bool),
    Deleted(bool),
    /// Get, wrap, unwrap.
    Granted([bool; 3]),
    /// The vault makes its own version of the key, whichever was meant.
    Made,
}

/// Fault of a vault in the place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    Refuse(DeniedReason),
    OtherKey,
    Throttle(Option<u64>),
    Fail,
    Invalid,
    Hang,
    LoseAnswer,
    /// The process ends while it waits for the answer.
    Crash,
}

/// Change that an attacker or a disk makes to the newest state.
#[derive(Clone, Copy, Debug)]
pub enum Tamper {
    Digit(usize),
    Cut(usize),
    /// An older state in the place of a newer one.
    Replay,
    /// The newest states are taken away, back to one of those before.
    RollBack(usize),
    /// The clock is set ahead by so many hours, and keys are to be destroyed by it.
    ClockAhead(u64),
}

/// Trouble during an act.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    None,
    /// At this request to a vault.
    Vault {
        customer: bool,
        request: usize,
        bad: Bad,
    },
    /// Every change of the store fails after so many, and the process ends or does not.
    StoreAfter {
        changes: usize,
        crash: bool,
    },
    StoreDown,
    AuditDown,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub act: Act,
    pub trouble: Trouble,
}

fn reasons() -> impl Strategy<Value = DeniedReason> {
    prop_oneof![
        Just(DeniedReason::KeyDisabled),
        Just(DeniedReason::KeyMissing),
        Just(DeniedReason::Permission),
        Just(DeniedReason::Identity),
        Just(DeniedReason::Firewall),
    ]
}

fn bad() -> impl Strategy<Value = Bad> {
    prop_oneof![
        3 => reasons().prop_map(Bad::Refuse),
        1 => Just(Bad::OtherKey),
        1 => prop_oneof![Just(None), Just(Some(20))].prop_map(Bad::Throttle),
        2 => Just(Bad::Fail),
        1 => Just(Bad::Invalid),
        1 => Just(Bad::Hang),
        1 => Just(Bad::LoseAnswer),
    ]
}

/// Silence, and refusals that do not concern the key.
pub fn outages() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Bad::Fail),
        1 => Just(Bad::Refuse(DeniedReason::Firewall)),
        1 => Just(Bad::OtherKey),
        1 => Just(Bad::Throttle(Some(20))),
        1 => Just(Bad::Hang),
    ]
    .prop_map(Act::Outage)
}

fn locations() -> impl Strategy<Value = Location> {
    prop_oneof![2 => Just(Location::Original), 1 => Just(Location::Copy)]
}

/// Mostly a key that is in both vaults.
fn keys() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0..3_usize, 1 => 3..KEYS]
}

fn harms() -> impl Strategy<Value = Harm> {
    let number = any::<usize>;
    prop_oneof![
        2 => number().prop_map(Harm::FlipLast),
        3 => (number(), number()).prop_map(|(line, at)| Harm::FlipEarlier { line, at }),
        2 => (number(), number()).prop_map(|(lines, rest)| Harm::Cut { lines, rest }),
        1 => any::<bool>().prop_map(|all| Harm::Delete { all }),
        1 => number().prop_map(Harm::Tear),
        2 => Just(Harm::Fill),
        2 => Just(Harm::Room),
    ]
}

/// Harm to a trail, and its repair.
pub fn trail_acts() -> impl Strategy<Value = Act> {
    prop_oneof![3 => harms().prop_map(Act::Trail), 2 => Just(Act::Repair)]
}

pub fn acts() -> impl Strategy<Value = Act> {
    let hours = prop_oneof![3 => Just(None), 1 => (1..3_u8).prop_map(Some)];
    let change = prop_oneof![
        any::<bool>().prop_map(KeyChange::Enabled),
        any::<bool>().prop_map(KeyChange::Deleted),
        prop_oneof![
            Just([true; 3]),
            Just([true, true, false]),
            Just([true, false, true]),
            Just([false, true, true])
        ]
        .prop_map(KeyChange::Granted),
        Just(KeyChange::Made),
    ];
    let named = || prop_oneof![3 => Just(None), 1 => locations().prop_map(Some)];
    let times = vec![1_u64, 5, 30, 61, 120, 239, 301, 3600, SHRED_GRACE + 1, DELETION_GRACE + 1];
    let tamper = prop_oneof![
        3 => any::<usize>().prop_map(Tamper::Digit),
        1 => any::<usize>().prop_map(Tamper::Cut),
        1 => Just(Tamper::Replay),
        2 => any::<usize>().prop_map(Tamper::RollBack),
        1 => (2..9_000_u64).prop_map(Tamper::ClockAhead),
    ];
    prop_oneof![
        8 => (any::<bool>(), hours).prop_map(|(result, hours)| Act::Seal { result, hours }),
        8 => any::<usize>().prop_map(Act::Open),
        8 => (keys(), named(), any::<bool>(), any::<bool>())
            .prop_map(|(key, at, all, shred)| Act::Enable { key, at, all, shred }),
        4 => Just(Act::Disable),
        6 => (keys(), named()).prop_map(|(to, at)| Act::Rotate { to, at }),
        3 => Just(Act::RotateResourceKey),
        2 => Just(Act::RotateServiceKey),
        2 => Just(Act::Revoke),
        6 => Just(Act::Refresh),
        1 => Just(Act::IdentityDisabled),
        2 => any::<bool>().prop_map(|away| Act::Move { away }),
        1 => Just(Act::Delete),
        2 => Just(Act::Restore),
        5 => Just(Act::ShredDue),
        2 => Just(Act::Sweep),
        1 => Just(Act::CreateAgain),
        8 => proptest::sample::select(times).prop_map(Act::Pass),
        3 => Just(Act::Restart),
        7 => (locations(), keys(), change)
            .prop_map(|(at, key, change)| Act::KeyChange { at, key, change }),
        1 => Just(Act::CopyVault),
        2 => locations().prop_map(Act::MoveVault),
        3 => outages(),
        4 => Just(Act::Back),
        2 => tamper.prop_map(Act::Tamper),
    ]
}

pub fn troubles() -> impl Strategy<Value = Trouble> {
    let with_crash = prop_oneof![4 => bad(), 1 => Just(Bad::Crash)];
    // Most operations make few requests.
    let request = prop_oneof![4 => Just(0), 3 => Just(1_usize), 2 => Just(2), 1 => 3..6_usize];
    prop_oneof![
        8 => (any::<bool>(), request, with_crash)
            .prop_map(|(customer, request, bad)| Trouble::Vault { customer, request, bad }),
        2 => (0..4_usize, any::<bool>())
            .prop_map(|(changes, crash)| Trouble::StoreAfter { changes, crash }),
        1 => Just(Trouble::StoreDown),
        1 => Just(Trouble::AuditDown),
    ]
}

pub fn steps() -> impl Strategy<Value = Step> {
    let trouble = prop_oneof![2 => Just(Trouble::None), 1 => troubles()];
    (acts(), trouble).prop_map(|(act, trouble)| Step { act, trouble })
}
