//! Random histories: single acts, and sequences of them that seldom come about by themselves and matter most.

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;
use strongroom_keys::vault::DeniedReason;

use crate::acts::{
    Act, Bad, KeyChange, SHRED_GRACE, Step, Tamper, Trouble, outages, steps, trail_acts, troubles,
};
use crate::copies::Location;

/// A history to be played.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of lines that the audit trail has before it, where it is on a disk.
    pub trail: Option<usize>,
    pub steps: Vec<Step>,
}

fn enable(shred: bool) -> Act {
    Act::Enable { key: 0, at: None, all: true, shred }
}

fn seal() -> Act {
    Act::Seal { result: false, hours: None }
}

fn change(at: Location, change: KeyChange) -> Act {
    Act::KeyChange { at, key: 0, change }
}

/// Key 0 is lost, in the vault that was there first.
fn lose() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(KeyChange::Enabled(false)),
        Just(KeyChange::Deleted(true)),
        Just(KeyChange::Granted([true, true, false])),
    ]
    .prop_map(|lost| change(Location::Original, lost))
}

/// Sequences that seldom come about by themselves, and matter most.
fn scenes() -> impl Strategy<Value = Vec<Act>> {
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
        let change = KeyChange::Granted(granted);
        let change = Act::KeyChange { at: Location::Original, key: to, change };
        let rotate = Act::Rotate { to, at: None };
        let more = if more { Act::RotateResourceKey } else { rotate.clone() };
        vec![enable(false), change, rotate, seal(), Act::Open(0), more, seal()]
    });
    let well_again =
        prop_oneof![Just(None), Just(Some(Act::Restore)), Just(Some(Act::Move { away: false }))]
            .prop_map(move |first| {
                [Some(Act::AllWell), first, Some(Act::Refresh)].into_iter().flatten().collect()
            });
    prop_oneof![
        2 => read, 1 => again, 2 => lost, 2 => due, 2 => out, 2 => rotate, 4 => well_again, 3 => copies()
    ]
}

/// Scenes of a vault and its copy, which differ from then on.
fn copies() -> impl Strategy<Value = Vec<Act>> {
    let both_rotate = any::<bool>().prop_map(|name_it| {
        let made = |at| change(at, KeyChange::Made);
        let to_the_copys = Act::Rotate { to: 4, at: name_it.then_some(Location::Copy) };
        vec![
            enable(false),
            Act::CopyVault,
            made(Location::Original),
            made(Location::Copy),
            to_the_copys.clone(),
            Act::Rotate { to: 3, at: None },
            seal(),
            Act::MoveVault(Location::Copy),
            to_the_copys,
            Act::Open(0),
        ]
    });
    let closed_at_its_place = (lose(), any::<bool>()).prop_map(|(lose, moved)| {
        let then = if moved { Act::MoveVault(Location::Copy) } else { Act::Open(0) };
        vec![enable(false), seal(), Act::CopyVault, lose, then, Act::Pass(61), Act::Open(0)]
    });
    let copys_own = Just(vec![
        Act::CopyVault,
        change(Location::Copy, KeyChange::Made),
        Act::Enable { key: 4, at: Some(Location::Copy), all: true, shred: false },
        seal(),
        Act::MoveVault(Location::Original),
        Act::Open(0),
        Act::Rotate { to: 0, at: None },
        Act::MoveVault(Location::Original),
        Act::Open(0),
    ]);
    prop_oneof![2 => both_rotate, 2 => closed_at_its_place, 1 => copys_own]
}

/// Scenes of a trail on a disk: harm, what is done all the same, and states that are rolled back behind it.
fn harmed() -> impl Strategy<Value = Vec<Act>> {
    let withdrawal = prop_oneof![
        Just(Act::Revoke),
        Just(Act::IdentityDisabled),
        Just(Act::Move { away: true }),
        Just(Act::Delete),
        Just(Act::Refresh),
    ];
    (trail_acts(), withdrawal, any::<bool>(), any::<usize>()).prop_map(
        |(harm, withdrawal, restart, n)| {
            let start = if restart { Act::Restart } else { Act::Pass(61) };
            let roll_back = Act::Tamper(Tamper::RollBack(n));
            vec![
                enable(false),
                seal(),
                harm,
                start,
                Act::Open(0),
                withdrawal,
                roll_back.clone(),
                Act::Repair,
                roll_back.clone(),
                Act::Refresh,
                roll_back,
                Act::Open(0),
            ]
        },
    )
}

/// Histories of up to 40 operations, some of them with a trail on a disk, which take longer.
pub fn histories() -> impl Strategy<Value = Plan> {
    let one = |acts: bool| {
        let act = if acts { trail_acts().prop_map(calm).boxed() } else { steps().boxed() };
        act.prop_map(|step| vec![step])
    };
    let trouble = || prop_oneof![9 => Just(Trouble::None), 1 => troubles()];
    let played = move |scene: BoxedStrategy<Vec<Act>>| {
        scene.prop_flat_map(move |acts| {
            acts.into_iter()
                .map(|act| trouble().prop_map(move |trouble| Step { act: act.clone(), trouble }))
                .collect::<Vec<_>>()
        })
    };
    let in_memory = prop_oneof![9 => one(false), 1 => played(scenes().boxed())];
    let on_disk = prop_oneof![
        9 => one(false), 3 => one(true), 1 => played(scenes().boxed()), 1 => played(harmed().boxed())
    ];
    let plan = |trail, parts: Vec<Vec<Step>>| {
        let mut steps = parts.concat();
        steps.truncate(40);
        Plan { trail, steps }
    };
    // Some have so many lines that there is a summary.
    let lines = prop_oneof![2 => Just(0), 1 => Just(128_usize)];
    prop_oneof![
        5 => vec(in_memory, 1..=36).prop_map(move |parts| plan(None, parts)),
        1 => (lines, vec(on_disk, 1..=30)).prop_map(move |(lines, parts)| plan(Some(lines), parts)),
    ]
}

fn calm(act: Act) -> Step {
    Step { act, trouble: Trouble::None }
}
