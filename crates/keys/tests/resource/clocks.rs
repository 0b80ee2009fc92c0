//! Clocks that are wrong: they destroy nothing, and hinder neither sealing nor withdrawing.

use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{OpenRequest, SealRequest};

use crate::world::{World, now};
use crate::{DAY, HOUR, seconds};

fn expiring(world: &World, after: u64) -> SealRequest {
    SealRequest::default().expiring_at(Some(world.clock.unix_time() + after))
}

fn is_refused(swept: &Result<usize, Error>) -> bool {
    matches!(swept, Err(Error::Time { .. }))
}

#[test]
fn a_clock_that_is_400_days_ahead_destroys_nothing_and_hinders_no_sealing() {
    let world = World::with_cmk();
    let lasting = world.seal_in(&world.resources, &expiring(&world, 30 * DAY)).unwrap();
    let right = world.clock.unix_time();
    world.clock.set_unix_time(right + 400 * DAY);
    // In the process that runs, and in one that begins under the wrong clock and seals there.
    for resources in [world.resources.clone(), world.restart(), world.restart()] {
        let ahead = world.clock.unix_time();
        assert!(is_refused(&now(resources.sweep(ahead))));
        assert!(matches!(now(resources.shred_due(ahead)), Err(Error::Time { .. })));
        let sealed = world.seal_in(&resources, &expiring(&world, HOUR)).unwrap();
        world.open_in(&resources, &sealed).unwrap();
    }
    now(world.resources.revoke_now(&world.id)).unwrap();
    now(world.resources.refresh(&world.id)).unwrap();
    world.clock.set_unix_time(right);
    let resources = world.restart();
    assert_eq!(now(resources.sweep(right)).unwrap(), 0);
    world.open_in(&resources, &lasting).unwrap();
}

/// It is said to be right, sweeps, and turns out to be wrong.
#[test]
fn an_accepted_time_may_be_taken_back_and_sealing_goes_on() {
    let world = World::new();
    let right = world.clock.unix_time();
    let lost = world.seal_in(&world.resources, &expiring(&world, DAY)).unwrap();
    world.clock.set_unix_time(right + 400 * DAY);
    now(world.resources.accept_time(right + 400 * DAY)).unwrap();
    assert_eq!(now(world.resources.sweep(right + 400 * DAY)).unwrap(), 1);

    world.clock.set_unix_time(right);
    let resources = world.restart();
    assert!(is_refused(&now(resources.sweep(right))), "it went back by 400 days");
    let sealed = world.seal_in(&resources, &expiring(&world, DAY)).unwrap();
    now(resources.accept_time(right)).unwrap();
    assert_eq!(now(resources.sweep(right)).unwrap(), 0);
    world.open_in(&resources, &sealed).unwrap();
    let opened = world.run(resources.open(&world.id, &lost, &OpenRequest::default()));
    assert!(opened.is_err(), "its key is another one");
    // Each hour ends for the new key, too.
    world.clock.advance(seconds(DAY + HOUR));
    assert_eq!(now(resources.sweep(world.clock.unix_time())).unwrap(), 1);
}

#[test]
fn a_clock_may_be_an_hour_ahead_and_ten_minutes_behind_of_what_has_passed() {
    let world = World::new();
    let right = world.clock.unix_time();
    for (offset, fits) in [(3600, true), (3601, false), (-600, true), (-601, false)] {
        let time = right.saturating_add_signed(offset);
        world.clock.set_unix_time(time);
        for resources in [world.resources.clone(), world.restart()] {
            assert_eq!(!is_refused(&now(resources.sweep(time))), fits, "{offset}");
        }
    }
    // Time that passes is accounted for, however long, and small steps do not add up.
    world.clock.set_unix_time(right);
    for day in 1..=40 {
        world.clock.advance(seconds(DAY));
        let time = right + day * (DAY + 1800);
        world.clock.set_unix_time(time);
        let swept = now(world.restart().sweep(time));
        assert_eq!(is_refused(&swept), day > 2, "{day}: {swept:?}");
    }
}
