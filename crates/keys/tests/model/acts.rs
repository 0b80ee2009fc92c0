//! Acts of a service, a customer, a host and an attacker, and troubles meanwhile; random histories of them.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use strongroom_keys::vault::DeniedReason;

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
    Enable {
        key: usize,
        all: bool,
        shred: bool,
    },
    Disable,
    Rotate(usize),
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
    KeyChange(usize, KeyChange),
    /// All keys are as they should be, and their vault answers.
    AllWell,
    /// From now on the customer's vault does this to every request.
    Outage(Bad),
    Back,
    Tamper(Tamper),
}

/// Change that the customer makes to a key.
#[derive(Clone, Copy, Debug)]
pub enum KeyChange {
    Enabled(bool),
    Deleted(bool),
    /// Get, wrap, unwrap.
    Granted([bool; 3]),
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
    /// The newest state is taken away.
    RollBack,
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
fn outages() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Bad::Fail),
        1 => Just(Bad::Refuse(DeniedReason::Firewall)),
        1 => Just(Bad::OtherKey),
        1 => Just(Bad::Throttle(Some(20))),
        1 => Just(Bad::Hang),
    ]
    .prop_map(Act::Outage)
}

fn acts() -> impl Strategy<Value = Act> {
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
    ];
    let times = vec![1_u64, 5, 30, 61, 120, 239, 301, 3600, SHRED_GRACE + 1, DELETION_GRACE + 1];
    let tamper = prop_oneof![
        3 => any::<usize>().prop_map(Tamper::Digit),
        1 => any::<usize>().prop_map(Tamper::Cut),
        1 => Just(Tamper::Replay),
        1 => Just(Tamper::RollBack),
        1 => (2..9_000_u64).prop_map(Tamper::ClockAhead),
    ];
    prop_oneof![
        8 => (any::<bool>(), hours).prop_map(|(result, hours)| Act::Seal { result, hours }),
        8 => any::<usize>().prop_map(Act::Open),
        8 => (0..3_usize, any::<bool>(), any::<bool>())
            .prop_map(|(key, all, shred)| Act::Enable { key, all, shred }),
        4 => Just(Act::Disable),
        6 => (0..3_usize).prop_map(Act::Rotate),
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
        6 => (0..3_usize, change).prop_map(|(key, change)| Act::KeyChange(key, change)),
        3 => outages(),
        4 => Just(Act::Back),
        2 => tamper.prop_map(Act::Tamper),
    ]
}

fn troubles() -> impl Strategy<Value = Trouble> {
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

fn steps() -> impl Strategy<Value = Step> {
    let trouble = prop_oneof![2 => Just(Trouble::None), 1 => troubles()];
    (acts(), trouble).prop_map(|(act, trouble)| Step { act, trouble })
}

/// Sequences that seldom come about by themselves, and matter most.
fn scenes() -> impl Strategy<Value = Vec<Act>> {
    let enable = |shred| Act::Enable { key: 0, all: true, shred };
    let seal = || Act::Seal { result: false, hours: None };
    let lose = || {
        prop_oneof![
            Just(KeyChange::Enabled(false)),
            Just(KeyChange::Deleted(true)),
            Just(KeyChange::Granted([true, true, false])),
        ]
        .prop_map(|change| Act::KeyChange(0, change))
    };
    let silence = || prop_oneof![outages(), Just(Act::Outage(Bad::Refuse(DeniedReason::Identity)))];
    let read = Just(vec![enable(false), seal(), Act::Open(0), Act::Open(0)]);
    let again = Just(vec![enable(false), seal(), Act::Disable, enable(false), seal()]);
    let lost = (any::<bool>(), lose()).prop_map(move |(shred, lose)| {
        vec![enable(shred), seal(), Act::Open(0), lose, Act::Refresh]
    });
    let due = prop_oneof![silence(), Just(Act::Back)].prop_flat_map(move |then| {
        let pass = Act::Pass(SHRED_GRACE + 1);
        lose().prop_map(move |lose| {
            let then = then.clone();
            vec![enable(true), seal(), lose, Act::Refresh, pass.clone(), then, Act::ShredDue]
        })
    });
    let early = prop_oneof![Just(1), Just(239)];
    let out = (early, silence()).prop_map(move |(early, silence)| {
        let (seal, open) = (seal(), Act::Open(0));
        let wait = |seconds| Act::Pass(seconds);
        vec![
            enable(false),
            seal,
            open.clone(),
            wait(early),
            silence,
            wait(60),
            open.clone(),
            wait(61),
            open.clone(),
            wait(180),
            open.clone(),
            wait(241),
            open,
        ]
    });
    let rotate = (0..3_usize, any::<bool>(), any::<bool>()).prop_map(move |(to, unfit, more)| {
        let granted = [true, true, !unfit];
        let change = Act::KeyChange(to, KeyChange::Granted(granted));
        let more = if more { Act::RotateResourceKey } else { Act::Rotate(to) };
        vec![enable(false), change, Act::Rotate(to), seal(), Act::Open(0), more, seal()]
    });
    let well_again =
        prop_oneof![Just(None), Just(Some(Act::Restore)), Just(Some(Act::Move { away: false }))]
            .prop_map(move |first| {
                [Some(Act::AllWell), first, Some(Act::Refresh)].into_iter().flatten().collect()
            });
    prop_oneof![
        2 => read, 1 => again, 2 => lost, 2 => due, 2 => out, 2 => rotate, 4 => well_again
    ]
}

/// Histories of up to 40 operations.
pub fn histories() -> impl Strategy<Value = Vec<Step>> {
    let one = steps().prop_map(|step| vec![step]);
    let trouble = || prop_oneof![9 => Just(Trouble::None), 1 => troubles()];
    let scene = scenes().prop_flat_map(move |acts| {
        acts.into_iter()
            .map(|act| trouble().prop_map(move |trouble| Step { act: act.clone(), trouble }))
            .collect::<Vec<_>>()
    });
    vec(prop_oneof![9 => one, 1 => scene], 1..=36).prop_map(|parts| {
        let mut steps = parts.concat();
        steps.truncate(40);
        steps
    })
}
