//! Phase of a process that is killed, announced before each step with one byte on its standard output.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Bit that the other bytes on that output, the test harness's text, never have.
const ANNOUNCEMENT: u8 = 0x80;
/// Bit for the second of the two processes.
const INDEX: u8 = 0x40;
/// Codes from here on are operations that ended, and from [`ERRORS`] on errors that were met.
const DONE: u8 = 32;
const ERRORS: u8 = 48;

macro_rules! coded {
    ($(#[$doc:meta])* $type:ident: $($variant:ident $name:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $type { $($variant,)* }

        impl $type {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub fn code(self) -> u8 {
                self as u8
            }

            pub fn of_code(code: u8) -> Option<Self> {
                Self::ALL.get(usize::from(code)).copied()
            }
        }
    };
}

coded! {
    /// Phase in which a process can be killed.
    Phase:
    Between "between steps",
    ServiceDescribe "service key: describe",
    ServiceUnwrap "service key: unwrap",
    ServiceWrap "service key: wrap the new",
    ServiceProve "service key: unwrap the new",
    CustomerDescribe "customer's key: describe",
    CustomerUnwrap "customer's key: unwrap the old",
    CustomerWrap "customer's key: wrap the new",
    CustomerProve "customer's key: unwrap the new",
    StateWrite "state: before it is written",
    StateWritten "state: after it is written",
    StatePrune "state: erasing older ones",
    ServiceRecord "service key: record a version",
    ServiceRewrap "service key: write a re-wrapped resource",
    Audit "audit: before the event",
    AuditHead "audit: before the head",
    VaultGenerate "vault: making a version",
    VaultWrite "vault: writing a version",
    Seal "document: sealing",
    Publish "document: writing and naming",
    Open "document: opening",
}

coded! {
    /// Operation of a process, in an order that its seed gives.
    Operation:
    EnableCmk "enable_cmk",
    DisableCmk "disable_cmk",
    RotateCmk "rotate_cmk",
    RotateResourceKey "rotate_resource_key",
    RevokeNow "revoke_now",
    Refresh "refresh",
    ResourceDeleted "resource_deleted",
    ResourceRestored "resource_restored",
    RotateServiceKey "rotate_service_key",
    RotateInVault "rotate the customer's key in the vault",
    Seal "seal",
    Open "open",
}

coded! {
    /// Errors that an operation may meet because the other process was first. Nothing else is met.
    Met:
    Contended "contended",
    WrongState "wrong state",
    Denied "denied",
    LeaseEnded "lease ended",
}

/// One byte.
#[derive(Clone, Copy, Debug)]
pub enum Announcement {
    Phase(Phase),
    Done(Operation),
    Met(Met),
}

impl Announcement {
    fn code(self) -> u8 {
        match self {
            Self::Phase(phase) => phase.code(),
            Self::Done(operation) => DONE + operation.code(),
            Self::Met(met) => ERRORS + met.code(),
        }
    }

    /// The process and its announcement; `None` where the byte is of some other text.
    pub fn parse(byte: u8) -> Option<(usize, Self)> {
        let index = usize::from(byte & INDEX != 0);
        let code = byte.checked_sub(ANNOUNCEMENT)? & !INDEX;
        let announced = match code {
            ERRORS.. => Met::of_code(code - ERRORS).map(Self::Met),
            DONE.. => Operation::of_code(code - DONE).map(Self::Done),
            _ => Phase::of_code(code).map(Self::Phase),
        };
        announced.map(|announced| (index, announced))
    }
}

/// Announces the operation and the phase of a process.
#[derive(Debug, Default)]
pub struct Announcer {
    index: u8,
    operation: AtomicU8,
    /// True where something new was wrapped in this operation, by the service's and by the customer's key.
    wrapped: [AtomicBool; 2],
}

impl Announcer {
    pub fn new(index: u8) -> Self {
        Self { index, ..Self::default() }
    }

    /// An operation begins.
    pub fn begin(&self, operation: Operation) {
        self.operation.store(operation.code(), Ordering::SeqCst);
        for wrapped in &self.wrapped {
            wrapped.store(false, Ordering::SeqCst);
        }
    }

    pub fn is_doing(&self, operation: Operation) -> bool {
        self.operation.load(Ordering::SeqCst) == operation.code()
    }

    pub fn wrapped(&self, side: usize) -> &AtomicBool {
        &self.wrapped[side]
    }

    pub fn phase(&self, phase: Phase) {
        self.say(Announcement::Phase(phase));
    }

    pub fn say(&self, announcement: Announcement) {
        let byte = ANNOUNCEMENT | (self.index * INDEX) | announcement.code();
        let mut out = std::io::stdout().lock();
        out.write_all(&[byte]).and_then(|()| out.flush()).unwrap();
    }
}

/// Every byte says what it was made of, and no text is taken for one.
#[test]
fn announcements_are_told_apart() {
    let phases = Phase::ALL.iter().map(|phase| Announcement::Phase(*phase));
    let done = Operation::ALL.iter().map(|operation| Announcement::Done(*operation));
    let met = Met::ALL.iter().map(|met| Announcement::Met(*met));
    let mut codes = Vec::new();
    for announcement in phases.chain(done).chain(met) {
        for index in [0, 1] {
            let byte = ANNOUNCEMENT | (index * INDEX) | announcement.code();
            let (parsed_index, parsed) = Announcement::parse(byte).unwrap();
            assert_eq!((parsed_index, parsed.code()), (usize::from(index), announcement.code()));
            codes.push(byte);
        }
    }
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all);
    assert!((0..ANNOUNCEMENT).all(|byte| Announcement::parse(byte).is_none()));
}
