//! Rewrapping: who opens a document before and after, and what a crash leaves at every moment.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::io;
use std::sync::Mutex;

use strongroom::Error;
use strongroom::document::{
    self, ChunkLen, Context, DataKey, Durable, Header, Layers, OpenOptions, OpenPolicy, ReadAt,
    Recipient, Rewrap, RewrapOptions, SealOptions, SlotState, Slots, WriteAt, destroy_header,
    rewrap_many,
};
use strongroom::rsa::PrivateKey;
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const OLD: &str = "vault/documents/1";
const NEW: &str = "vault/documents/2";
const SECTOR: usize = 512;
const TEXT: &[u8] = b"what the document says";

fn id(name: &str) -> KeyId {
    KeyId::new(name).unwrap()
}

/// A key that follows from its name.
fn material(name: &str) -> [u8; 32] {
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().zip(name.bytes().cycle()) {
        *place = byte;
    }
    key
}

fn wrapping(name: &str) -> WrappingKey {
    WrappingKey::aes(id(name), Secret::copy_from(&material(name)))
}

fn unwrapping(name: &str) -> UnwrappingKey {
    UnwrappingKey::aes(id(name), Secret::copy_from(&material(name)))
}

fn options(slots: Slots) -> SealOptions {
    let chunk_len = ChunkLen::new(4096).unwrap();
    SealOptions { slots, chunk_len, ..SealOptions::default() }
}

fn sealed(slots: Slots) -> Vec<u8> {
    document::seal(TEXT, &[wrapping(OLD)], &options(slots)).unwrap()
}

fn opens(sealed: &[u8], key: &str) -> bool {
    match document::open(sealed, &[unwrapping(key)], &OpenOptions::default()) {
        Ok(text) => {
            assert_eq!(text, TEXT, "other plaintext");
            true
        }
        Err(_) => false,
    }
}

fn rewrap(sealed: &[u8], from: &str, to: &str) -> Rewrap {
    let header = Header::parse(sealed).unwrap();
    let mut rewrap = header.rewrap_with(&[unwrapping(from)], &RewrapOptions::default()).unwrap();
    rewrap.replace_with(1, &[wrapping(to)], &[unwrapping(to)]).unwrap();
    rewrap
}

#[derive(Clone, Debug)]
enum Event {
    Write(usize, Vec<u8>),
    Sync,
    /// A sync that fails: writes before it are lost, and read back as if they were not.
    FailedSync,
}

/// A file in memory that records what is done to it, fails from some event on, and keeps another byte than
/// was written in one of its events.
struct Recorder {
    bytes: Mutex<Vec<u8>>,
    events: Mutex<Vec<Event>>,
    fails_at: usize,
    wrong_at: usize,
}

impl Recorder {
    fn new(bytes: &[u8]) -> Self {
        let (bytes, events) = (Mutex::new(bytes.to_vec()), Mutex::default());
        Self { bytes, events, fails_at: usize::MAX, wrong_at: usize::MAX }
    }

    fn record(&self, event: Event) -> io::Result<()> {
        let mut events = self.events.lock().unwrap();
        if events.len() >= self.fails_at {
            return Err(io::ErrorKind::StorageFull.into());
        }
        events.push(event);
        Ok(())
    }

    fn into_parts(self) -> (Vec<u8>, Vec<Event>) {
        (self.bytes.into_inner().unwrap(), self.events.into_inner().unwrap())
    }
}

impl ReadAt for Recorder {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().read_exact_at(buffer, offset)
    }

    fn byte_len(&self) -> io::Result<u64> {
        self.bytes.lock().unwrap().byte_len()
    }
}

impl WriteAt for Recorder {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.record(Event::Write(offset, bytes.to_vec()))?;
        let kept = &mut self.bytes.lock().unwrap()[offset..offset + bytes.len()];
        kept.copy_from_slice(bytes);
        if self.events.lock().unwrap().len().checked_sub(1) == Some(self.wrong_at) {
            kept[bytes.len() / 2] ^= 1;
        }
        Ok(())
    }
}

impl Durable for Recorder {
    fn sync(&self) -> io::Result<()> {
        self.record(Event::Sync)
    }
}

/// A write's pieces that the disk writes by themselves: it tears at sectors.
fn sectors(offset: usize, bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut pieces = Vec::new();
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let length = (SECTOR - at % SECTOR).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        pieces.push((at, piece.to_vec()));
        (at, rest) = (at + length, behind);
    }
    pieces
}

/// Calls `visit` with what the disk may hold after a loss of power at every moment of `events`: each
/// write cut after every `step` bytes; of all that was not made durable each sector kept or lost.
fn after_each_crash(initial: &[u8], events: &[Event], step: usize, mut visit: impl FnMut(&[u8])) {
    let mut durable = initial.to_vec();
    let mut pending: Vec<(usize, Vec<u8>)> = Vec::new();
    for event in events {
        match event {
            Event::Sync => {
                for (at, piece) in pending.drain(..) {
                    durable[at..at + piece.len()].copy_from_slice(&piece);
                }
            }
            Event::FailedSync => pending.clear(),
            Event::Write(offset, bytes) => {
                for cut in (0..=bytes.len()).step_by(step) {
                    let mut pieces = pending.clone();
                    pieces.extend(sectors(*offset, &bytes[..cut]));
                    assert!(pieces.len() < 12, "too many to try all");
                    // What is written later may be on the disk before what was written earlier.
                    for kept in 0..1_u32 << pieces.len() {
                        let mut disk = durable.clone();
                        for (number, (at, piece)) in pieces.iter().enumerate() {
                            if kept & 1 << number != 0 {
                                disk[*at..at + piece.len()].copy_from_slice(piece);
                            }
                        }
                        visit(&disk);
                    }
                }
                pending.extend(sectors(*offset, bytes));
            }
        }
    }
    // What was never made durable may be lost after the call has returned.
    visit(&durable);
}

/// Numbers of crashes that leave a document for the old key, for the new key, and for neither.
fn count(initial: &[u8], events: &[Event]) -> (usize, usize, usize) {
    count_by(1, initial, events)
}

fn count_by(step: usize, initial: &[u8], events: &[Event]) -> (usize, usize, usize) {
    let (mut old, mut new, mut lost) = (0, 0, 0);
    let mut seen = std::collections::HashMap::new();
    after_each_crash(initial, events, step, |disk| {
        // Most crashes leave what others left, too.
        let (by_old, by_new) =
            *seen.entry(disk.to_vec()).or_insert_with(|| (opens(disk, OLD), opens(disk, NEW)));
        old += usize::from(by_old);
        new += usize::from(by_new);
        lost += usize::from(!by_old && !by_new);
    });
    (old, new, lost)
}

fn events_of(initial: &[u8]) -> Vec<Event> {
    let file = Recorder::new(initial);
    rewrap(initial, OLD, NEW).write_in_place(&file).unwrap();
    let (after, events) = file.into_parts();
    assert!(opens(&after, NEW) && !opens(&after, OLD));
    events
}

/// The documents that a rewrap may meet: both slots current, either damaged, either out of date.
fn beginnings() -> Vec<Vec<u8>> {
    let whole = sealed(Slots::Two);
    let mut beginnings = vec![whole.clone()];
    for slot in [SECTOR, 3 * SECTOR] {
        let mut damaged = whole.clone();
        damaged[slot + 100] ^= 1;
        beginnings.push(damaged);
        // Rewrapped to the same key, and interrupted before the second slot.
        let newer = rewrap(&whole, OLD, OLD).to_header().unwrap();
        let mut stale = newer.clone();
        stale.extend(&whole[newer.len()..]);
        stale[slot..slot + 2 * SECTOR].copy_from_slice(&whole[slot..slot + 2 * SECTOR]);
        let states = Header::parse(&stale).unwrap().slots().to_vec();
        assert!(states.contains(&SlotState::Stale) && states.contains(&SlotState::Current));
        beginnings.push(stale);
    }
    beginnings
}

#[test]
fn after_every_crash_the_old_or_the_new_key_opens() {
    let mut crashes = 0;
    for initial in beginnings() {
        let (old, new, lost) = count(&initial, &events_of(&initial));
        assert_eq!(lost, 0);
        // The harness has seen both: crashes before the first slot was whole, and after.
        assert!(old > 500 && new > 500, "{old} {new}");
        crashes += old + new;
    }
    assert!(crashes > 20_000, "{crashes}");
}

/// The harness notices what would lose documents.
#[test]
fn planted_mistakes_are_caught() {
    let initial = sealed(Slots::Two);
    let events = events_of(&initial);
    // The slot that is kept until the end as it was, the other one, and then that one.
    let is_write = |event: &Event| matches!(event, Event::Write(..));
    let writes: Vec<_> = events.iter().map(is_write).collect();
    assert_eq!(writes, [true, false, true, false, true, false]);
    let (lost_in, lost_in_good) = {
        let without_a_sync: Vec<_> = [&events[..3], &events[4..]].concat();
        (count(&initial, &without_a_sync).2, count(&initial, &events).2)
    };
    assert!(lost_in > 0, "a missing fsync was not noticed");
    assert_eq!(lost_in_good, 0);

    // Without the last one nothing is lost; the rewrap is just not certain yet.
    assert_eq!(count(&initial, &events[..5]).2, 0);

    // One slot, rewritten where it stands.
    let one_slot = sealed(Slots::One);
    let header = rewrap(&one_slot, OLD, NEW).to_header().unwrap();
    let single = [Event::Write(0, header), Event::Sync];
    assert!(count(&one_slot, &single).2 > 0, "a single slot's rewriting was not noticed");

    // Both slots in one write.
    let header = rewrap(&initial, OLD, NEW).to_header().unwrap();
    let both = [Event::Write(SECTOR, header[SECTOR..].to_vec()), Event::Sync];
    assert!(count(&initial, &both).2 > 0, "both slots at once were not noticed");

    // The slot in use first, where the other one is damaged.
    let mut damaged = initial.clone();
    damaged[SECTOR + 100] ^= 1;
    let mut events = events_of(&damaged);
    events[2..].rotate_left(2);
    assert!(count(&damaged, &events).2 > 0, "the only whole slot was overwritten unnoticed");
}

/// A rewrap is stopped, or its disk fails, and another takes it up before all of it is on the disk. That
/// one meets a crash, too. `without` leaves out that many of its first events.
fn count_taken_up(without: usize) -> (usize, usize) {
    let (mut kept, mut lost) = (0, 0);
    for initial in beginnings() {
        let first = events_of(&initial);
        for stopped in 0..=first.len() {
            let mut seen = initial.clone();
            for event in &first[..stopped] {
                if let Event::Write(offset, bytes) = event {
                    seen[*offset..offset + bytes.len()].copy_from_slice(bytes);
                }
            }
            let from = if opens(&seen, NEW) { NEW } else { OLD };
            let file = Recorder::new(&seen);
            rewrap(&seen, from, NEW).write_in_place(&file).unwrap();
            let second = file.into_parts().1.split_off(without);
            let mut beginnings = vec![first[..stopped].to_vec()];
            if let Some(Event::Sync) = first.get(stopped) {
                beginnings.push([&first[..stopped], &[Event::FailedSync]].concat());
            }
            for beginning in beginnings {
                let (old, new, none) =
                    count_by(256, &initial, &[beginning, second.clone()].concat());
                kept += old + new;
                lost += none;
            }
        }
    }
    (kept, lost)
}

#[test]
fn an_interrupted_rewrap_is_taken_up_before_it_is_on_the_disk() {
    let (kept, lost) = count_taken_up(0);
    assert_eq!(lost, 0);
    assert!(kept > 3_000, "{kept}");
    // Without the slot that is written as it was, and with it, but not made durable.
    assert!(count_taken_up(2).1 > 0, "what was never on the disk was relied on unnoticed");
}

#[test]
fn a_disk_that_fails_leaves_the_old_or_the_new_key() {
    let initial = sealed(Slots::Two);
    for fails_at in 0..6 {
        let file = Recorder { fails_at, ..Recorder::new(&initial) };
        let failed = rewrap(&initial, OLD, NEW).write_in_place(&file);
        assert!(matches!(failed, Err(Error::Io { .. })), "{fails_at}");
        let (bytes, _) = file.into_parts();
        assert!(opens(&bytes, OLD) != opens(&bytes, NEW), "{fails_at}");
        // Trying again is all it takes.
        let file = Recorder::new(&bytes);
        let from = if opens(&bytes, OLD) { OLD } else { NEW };
        rewrap(&bytes, from, NEW).write_in_place(&file).unwrap();
        let (bytes, _) = file.into_parts();
        assert!(opens(&bytes, NEW));
        assert!(Header::parse(&bytes).unwrap().slots().iter().all(|s| *s == SlotState::Current));
    }
}

#[test]
fn what_a_disk_keeps_wrongly_is_seen_before_the_other_slot_is_touched() {
    for initial in beginnings() {
        for wrong_at in [0, 2, 4] {
            let file = Recorder { wrong_at, ..Recorder::new(&initial) };
            let failed = rewrap(&initial, OLD, NEW).write_in_place(&file);
            assert!(matches!(failed, Err(Error::Io { .. })), "{wrong_at}");
            let (_, events) = file.into_parts();
            assert_eq!(events.len(), wrong_at + 2, "{events:?}");
        }
    }
}

#[test]
fn only_a_header_of_two_slots_that_fit_is_rewritten_in_place() {
    let refused = |initial: &[u8], rewrap: &Rewrap| {
        let file = Recorder::new(initial);
        let refused = rewrap.write_in_place(&file);
        assert!(matches!(refused, Err(Error::Argument { what: "header", .. })), "{refused:?}");
        assert!(file.into_parts().1.is_empty(), "something was written");
    };
    let one = sealed(Slots::One);
    refused(&one, &rewrap(&one, OLD, NEW));

    let two = sealed(Slots::Two);
    let mut large = rewrap(&two, OLD, NEW);
    let rsa = PrivateKey::generate().unwrap();
    for number in 0..7 {
        large
            .add(1, &WrappingKey::rsa(id(&format!("vault/rsa/{number}")), rsa.public_key()))
            .unwrap();
    }
    assert!(!large.fits());
    refused(&two, &large);
    // The body moves behind the larger header, and opens as before.
    let mut moved = large.to_header().unwrap();
    moved.extend(&two[Header::parse(&two).unwrap().len()..]);
    assert!(opens(&moved, NEW));
    let rsa = UnwrappingKey::rsa(id("vault/rsa/6"), rsa);
    assert_eq!(document::open(&moved, &[rsa], &OpenOptions::default()).unwrap(), TEXT);

    // Another rewrap has come before.
    let changed = rewrap(&two, OLD, NEW).to_header().unwrap();
    let mut file = two.clone();
    file[..changed.len()].copy_from_slice(&changed);
    refused(&file, &rewrap(&two, OLD, NEW));
}

fn unlocked(sealed: &[u8], names: &[&str]) -> Rewrap {
    let keys: Vec<_> = names.iter().map(|name| unwrapping(name)).collect();
    Header::parse(sealed).unwrap().rewrap_with(&keys, &RewrapOptions::default()).unwrap()
}

fn ids<C>(rewrap: &Rewrap<C>) -> Vec<String>
where
    C: document::ExpectedContext,
{
    rewrap.recipients().iter().map(|one| one.key_id().as_str().to_owned()).collect()
}

/// `sealed` with the header of `rewrap`.
fn rewritten<C: document::ExpectedContext>(sealed: &[u8], rewrap: &Rewrap<C>) -> Vec<u8> {
    let mut document = rewrap.to_header().unwrap();
    document.extend(&sealed[rewrap.header().len()..]);
    document
}

fn is_unproved(error: &Error) -> bool {
    matches!(error, Error::Argument { what: "recipients", .. })
}

#[test]
fn recipients_come_and_go() {
    let sealed = sealed(Slots::One);
    let mut rewrap = unlocked(&sealed, &[OLD]);
    let old = rewrap.recipients()[0].clone();
    assert!(rewrap.is_proved(&old));
    rewrap.add(1, &wrapping(NEW)).unwrap();
    rewrap.add(1, &wrapping(NEW)).unwrap();
    assert_eq!(ids(&rewrap), [OLD, NEW]);
    let both = rewritten(&sealed, &rewrap);
    assert!(opens(&both, OLD) && opens(&both, NEW));
    assert_eq!(Header::parse(&both).unwrap().generation(), 2);

    let new = rewrap.wrap(1, &wrapping(NEW)).unwrap();
    let unwrapped = unwrapping(NEW).unwrap(new.wrapped()).unwrap();
    rewrap.prove(&new, &unwrapped).unwrap();
    assert!(rewrap.remove(&old).unwrap());
    assert!(!rewrap.remove(&old).unwrap());
    let moved = rewritten(&sealed, &rewrap);
    assert!(!opens(&moved, OLD) && opens(&moved, NEW));
    assert!(is_unproved(&rewrap.remove(&new).unwrap_err()));
    assert!(is_unproved(&rewrap.replace_with(1, &[], &[]).unwrap_err()));
    assert!(matches!(rewrap.add(2, &wrapping(NEW)), Err(Error::Argument { what: "layer", .. })));
    assert!(matches!(rewrap.wrap(2, &wrapping(NEW)), Err(Error::Argument { what: "layer", .. })));
    assert_eq!(ids(&rewrap), [NEW]);

    for number in 0..8 {
        rewrap.add(1, &wrapping(&format!("vault/more/{number}"))).unwrap();
    }
    assert!(rewrap.to_header().is_err(), "nine in a layer");
}

/// A key of the right name that is another key: nothing that opens the document is given up for it.
#[test]
fn who_opens_the_document_goes_for_no_name() {
    let impostor = |name| WrappingKey::aes(id(name), Secret::copy_from(&[0xee; 32]));
    let keys = [wrapping(OLD), wrapping(NEW)];
    let sealed = document::seal(TEXT, &keys, &options(Slots::One)).unwrap();
    let mut rewrap = unlocked(&sealed, &[OLD]);
    let [old, new] = [0, 1].map(|at: usize| rewrap.recipients()[at].clone());
    assert!(rewrap.is_proved(&old) && !rewrap.is_proved(&new));

    // The one that stands there under that name has proved nothing.
    assert!(is_unproved(&rewrap.remove(&old).unwrap_err()));
    // In the place of the proved one only another proved one comes.
    assert!(is_unproved(&rewrap.add(1, &impostor(OLD)).unwrap_err()));
    let other = rewrap.wrap(1, &impostor(NEW)).unwrap();
    let holder = unwrapping(NEW);
    assert!(holder.unwrap(other.wrapped()).is_err());
    for unwrapped in [vec![], vec![7; 40], vec![7; 41]] {
        let refused = rewrap.prove(&other, &unwrapped.into());
        assert!(matches!(refused, Err(Error::Key { .. })), "{refused:?}");
    }
    let refused = rewrap.replace_with(1, &[impostor(NEW)], &[unwrapping(NEW)]);
    assert!(matches!(&refused, Err(Error::Key { key, .. }) if key == NEW), "{refused:?}");
    let refused = rewrap.replace_with(1, &[wrapping(NEW)], &[unwrapping(OLD)]);
    assert!(matches!(&refused, Err(Error::NoKey { .. })), "{refused:?}");
    assert_eq!(rewrap.recipients(), [old.clone(), new.clone()], "nothing has changed");

    // Beside one that is proved another may come unproved, and leave again.
    rewrap.add(1, &impostor(NEW)).unwrap();
    assert!(opens(&rewritten(&sealed, &rewrap), OLD));
    assert!(!opens(&rewritten(&sealed, &rewrap), NEW));
    assert!(rewrap.remove(&new).unwrap());
    assert_eq!(ids(&rewrap), [OLD]);
}

/// One name under two algorithms is two recipients, and each is spoken of by itself.
#[test]
fn recipients_of_one_name_are_told_apart_by_their_algorithm() {
    let rsa = PrivateKey::generate().unwrap();
    let keys = [wrapping(OLD), WrappingKey::rsa(id(OLD), rsa.public_key())];
    let sealed = document::seal(TEXT, &keys, &options(Slots::One)).unwrap();
    let mut rewrap = unlocked(&sealed, &[OLD]);
    let [by_rsa, by_aes] = [0, 1].map(|at: usize| rewrap.recipients()[at].clone());
    assert!(rewrap.is_proved(&by_aes) && !rewrap.is_proved(&by_rsa));
    assert!(is_unproved(&rewrap.remove(&by_aes).unwrap_err()));
    assert!(rewrap.remove(&by_rsa).unwrap());
    assert_eq!(rewrap.recipients(), [by_aes]);
    assert!(opens(&rewritten(&sealed, &rewrap), OLD));
}

/// Data keys that the caller had from elsewhere prove nobody: a holder must speak first.
#[test]
fn data_keys_alone_prove_nobody() {
    let sealed = sealed(Slots::One);
    let header = Header::parse(&sealed).unwrap();
    let old = header.recipients()[0].clone();
    let payload = unwrapping(OLD).unwrap(old.wrapped()).unwrap();
    let data_keys = vec![DataKey::from_payload(1, &payload).unwrap()];
    let mut rewrap = header.rewrap(data_keys, &RewrapOptions::default()).unwrap();
    rewrap.add(1, &wrapping(NEW)).unwrap();
    assert!(is_unproved(&rewrap.remove(&old).unwrap_err()));
    rewrap.prove(&old, &payload).unwrap();
    assert_eq!(rewrap.recipients().len(), 2);
    let new = rewrap.recipients().iter().find(|one| **one != old).unwrap().clone();
    assert!(rewrap.remove(&new).unwrap());
    assert_eq!(rewrap.recipients(), [old]);
}

/// Checks that a user of a service that rewraps adds no key of theirs to the document of another tenant.
#[test]
fn the_context_is_expected_and_empty_unless_given() {
    let context = |tenant: &str| {
        let mut context = Context::new();
        context.insert("tenant", tenant).unwrap();
        context
    };
    let options = SealOptions { context: context("7"), ..options(Slots::One) };
    let sealed = document::seal(TEXT, &[wrapping(OLD)], &options).unwrap();
    let header = Header::parse(&sealed).unwrap();
    for expected in [Context::new(), context("8")] {
        let options = RewrapOptions { context: expected, ..RewrapOptions::default() };
        let refused = header.clone().rewrap_with(&[unwrapping(OLD)], &options);
        assert!(matches!(refused, Err(Error::Authentication)), "{refused:?}");
        let payload = unwrapping(OLD).unwrap(header.recipients()[0].wrapped()).unwrap();
        let data_keys = vec![DataKey::from_payload(1, &payload).unwrap()];
        let refused = header.clone().rewrap(data_keys, &options);
        assert!(matches!(refused, Err(Error::Authentication)), "{refused:?}");
        let refused = rewrap_many(vec![(header.clone(), &options)], &[unwrapping(OLD)]);
        assert!(matches!(refused[..], [Err(Error::Authentication)]), "{refused:?}");
    }
    let options = RewrapOptions { context: context("7"), ..RewrapOptions::default() };
    header.rewrap_with(&[unwrapping(OLD)], &options).unwrap();
    // A document without one is not taken for one of a tenant.
    let header = Header::parse(&self::sealed(Slots::One)).unwrap();
    let refused = header.rewrap_with(&[unwrapping(OLD)], &options);
    assert!(matches!(refused, Err(Error::Authentication)), "{refused:?}");
}

/// Without the context a key makes way for another version of itself, and for nothing else.
#[test]
fn any_context_exchanges_versions_only() {
    let mut context = Context::new();
    context.insert("tenant", "7").unwrap();
    let seal_options = SealOptions { context: context.clone(), ..options(Slots::One) };
    let rsa = PrivateKey::generate().unwrap();
    let keys = [wrapping(OLD), wrapping("plain"), WrappingKey::rsa(id(OLD), rsa.public_key())];
    let sealed = document::seal(TEXT, &keys, &seal_options).unwrap();
    let header = Header::parse(&sealed).unwrap();
    let any = RewrapOptions::any_context();
    let mut rewrap = header.rewrap_with(&[unwrapping(OLD)], &any).unwrap();
    let find = |name: &str| {
        let of_name = |one: &&Recipient| one.key_id().as_str() == name && one.wrapped().len() == 48;
        rewrap.recipients().iter().find(of_name).unwrap().clone()
    };
    let (old, plain) = (find(OLD), find("plain"));
    for name in ["vault/other/2", "other/documents/2", "vault/documents", "2", "plain", "plain2"] {
        let refused = rewrap.wrap_version(&old, &wrapping(name));
        assert!(matches!(refused, Err(Error::Argument { what: "recipient", .. })), "{name}");
        // An id without a version has no other one.
        let refused = rewrap.wrap_version(&plain, &wrapping(name));
        assert!(matches!(refused, Err(Error::Argument { what: "recipient", .. })), "{name}");
    }
    // Another algorithm is another key.
    let refused = rewrap.wrap_version(&old, &WrappingKey::rsa(id(NEW), rsa.public_key()));
    assert!(matches!(refused, Err(Error::Argument { what: "recipient", .. })));

    let new = rewrap.wrap_version(&old, &wrapping(NEW)).unwrap();
    let refused = rewrap.exchange(&old, &new, &vec![7; 40].into());
    assert!(matches!(refused, Err(Error::Key { .. })), "{refused:?}");
    let unwrapped = unwrapping(NEW).unwrap(new.wrapped()).unwrap();
    let refused = rewrap.exchange(&plain, &new, &unwrapped);
    assert!(matches!(refused, Err(Error::Argument { what: "recipient", .. })), "{refused:?}");
    rewrap.exchange(&old, &new, &unwrapped).unwrap();
    let again = rewrap.exchange(&old, &new, &unwrapped);
    assert!(matches!(again, Err(Error::Argument { what: "recipient", .. })), "{again:?}");
    assert_eq!(ids(&rewrap), [OLD, "plain", NEW], "the one of RSA stays");

    let rewritten = rewritten(&sealed, &rewrap);
    let options = OpenOptions { context, ..OpenOptions::default() };
    assert_eq!(document::open(&rewritten, &[unwrapping(NEW)], &options).unwrap(), TEXT);
    assert!(document::open(&rewritten, &[unwrapping(OLD)], &options).is_err());
}

/// A document whose time is up gets no other recipients, and a policy counts as it does on opening.
#[test]
fn expiry_and_policy_are_heeded() {
    let seal_options = SealOptions { expires_at: Some(1000), ..options(Slots::One) };
    let sealed = document::seal(TEXT, &[wrapping(OLD)], &seal_options).unwrap();
    let header = Header::parse(&sealed).unwrap();
    let key = [unwrapping(OLD)];
    for (now, holds) in [(999, true), (1000, false)] {
        let options = RewrapOptions { now: Some(now), ..RewrapOptions::default() };
        assert_eq!(header.clone().rewrap_with(&key, &options).is_ok(), holds, "{now}");
        let options = RewrapOptions { now: Some(now), ..RewrapOptions::any_context() };
        let rewrap = header.clone().rewrap_with(&key, &options);
        assert!(holds || matches!(rewrap, Err(Error::Expired { expires_at: 1000 })), "{rewrap:?}");
    }
    let policy = OpenPolicy { least_generation: 2, ..OpenPolicy::default() };
    let options = RewrapOptions { policy, now: Some(1), ..RewrapOptions::default() };
    let refused = header.rewrap_with(&key, &options);
    assert!(matches!(refused, Err(Error::RolledBack { generation: 1, least: 2 })), "{refused:?}");
}

/// Of two layers each is rewrapped by itself, and both keys are needed to do so.
#[test]
fn layers_are_rewrapped_by_themselves() {
    let (service, customer, other) = ("service/1", "customer/1", "customer/2");
    let layers = Layers::Two { service: &[wrapping(service)], customer: &[wrapping(customer)] };
    let sealed = document::seal(TEXT, layers, &options(Slots::One)).unwrap();
    let header = Header::parse(&sealed).unwrap();
    let policy = OpenPolicy { least_layers: 2, ..OpenPolicy::default() };
    let demands = RewrapOptions { policy, ..RewrapOptions::default() };
    for name in [service, customer] {
        let refused = header.clone().rewrap_with(&[unwrapping(name)], &demands);
        let Err(Error::NoKey { wrapped_with }) = refused else { panic!("{refused:?}") };
        assert_eq!(wrapped_with, if name == service { customer } else { service });
    }
    let keys = [unwrapping(service), unwrapping(customer)];
    let mut rewrap = header.clone().rewrap_with(&keys, &demands).unwrap();
    // A proof counts in its own layer.
    let inner = rewrap.recipients()[0].clone();
    let unproved = rewrap.wrap(2, &wrapping(other)).unwrap();
    let payload = unwrapping(service).unwrap(inner.wrapped()).unwrap();
    assert!(matches!(rewrap.prove(&unproved, &payload), Err(Error::Key { .. })));
    rewrap.replace_with(2, &[wrapping(other)], &[unwrapping(other)]).unwrap();
    let mut document = rewrap.to_header().unwrap();
    document.extend(&sealed[header.len()..]);
    let open = |names: [&str; 2]| {
        document::open(&document, &names.map(unwrapping), &OpenOptions::default())
    };
    assert_eq!(open([service, other]).unwrap(), TEXT);
    assert!(matches!(open([service, customer]), Err(Error::NoKey { .. })));

    // One layer is too few for the policy, whatever its header says.
    let one = Header::parse(&self::sealed(Slots::One)).unwrap();
    let refused = one.rewrap_with(&[unwrapping(OLD)], &demands);
    assert!(matches!(refused, Err(Error::Format { offset: 10, .. })), "{refused:?}");
}

/// Thousands of headers: those that no key fits, or that were changed, do not disturb the others.
#[test]
fn a_batch_answers_for_each_header() {
    let rsa = PrivateKey::generate().unwrap();
    let keys = [unwrapping(OLD), UnwrappingKey::rsa(id("vault/rsa/1"), rsa)];
    let public = PrivateKey::generate().unwrap().public_key();
    let (mut headers, demands) = (Vec::new(), RewrapOptions::default());
    for number in 0..300 {
        let wrapping = match number % 3 {
            0 => wrapping(OLD),
            1 => wrapping(NEW),
            _ => WrappingKey::rsa(id("vault/rsa/1"), public.clone()),
        };
        let sealed = document::seal(TEXT, &[wrapping], &options(Slots::One)).unwrap();
        headers.push((Header::parse(&sealed).unwrap(), &demands));
    }
    let results = rewrap_many(headers, &keys);
    let (mut good, mut no_key, mut other_key) = (0, 0, 0);
    for (number, result) in results.iter().enumerate() {
        match (number % 3, result) {
            (0, Ok(_)) => good += 1,
            (1, Err(Error::NoKey { .. })) => no_key += 1,
            // The same id, but another key.
            (2, Err(Error::Authentication)) => other_key += 1,
            (_, other) => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!((good, no_key, other_key), (100, 100, 100));
}

#[test]
fn a_destroyed_header_opens_nothing() {
    let initial = sealed(Slots::Two);
    let file = Recorder::new(&initial);
    destroy_header(&file).unwrap();
    let (bytes, events) = file.into_parts();
    assert!(matches!(events[..], [Event::Write(0, _), Event::Sync]));
    assert!(bytes[..2560].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[2560..], initial[2560..]);
    assert!(!opens(&bytes, OLD));

    let file = Recorder::new(b"no document at all, and not to be overwritten");
    assert!(matches!(destroy_header(&file), Err(Error::Format { offset: 0, .. })));
    assert!(file.into_parts().1.is_empty());
}
