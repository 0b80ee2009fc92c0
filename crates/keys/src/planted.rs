//! Mistakes that a test can have this crate make, to see whether its checks find them. Without the feature
//! `testing` it makes none: then [`is_planted`] is a constant.

#[cfg(any(test, feature = "testing"))]
pub use self::switch::Planted;

/// A mistake that this crate could make.
///
/// # Example
///
/// ```
/// use strongroom_keys::testing::PlantedBug;
///
/// {
///     let _planted = PlantedBug::StateUnverified.plant();
///     // On this thread, states of anyone's making are taken for ours.
/// }
/// // Here they are not.
/// ```
#[cfg_attr(
    not(any(test, feature = "testing")),
    allow(unreachable_pub, reason = "`testing` exports it, and is not there")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// Cached keys are not wiped when the vault withdraws the key.
    KeysKeptOnDenial,
    /// Enabling a key again goes on with the label of the epoch before.
    EpochReused,
    /// A rotation switches before the new key has unwrapped anything.
    SwitchedBeforeProbe,
    /// A state is taken without a look at its HMAC.
    StateUnverified,
    /// When shredding is due, a vault that does not answer is taken for one that withdraws the key.
    ShreddedOnOutage,
    /// Cached keys serve for as long as the vault does not answer.
    KeysKeptTooLong,
    /// A denial is heeded by the process that met it, and not written.
    DenialNotWritten,
}

/// Whether `bug` is planted on this thread.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn is_planted(bug: PlantedBug) -> bool {
    switch::PLANTED.get() == Some(bug)
}

/// Nothing is ever planted without the feature `testing`.
#[cfg(not(any(test, feature = "testing")))]
pub(crate) const fn is_planted(_bug: PlantedBug) -> bool {
    false
}

#[cfg(any(test, feature = "testing"))]
mod switch {
    use std::cell::Cell;
    use std::marker::PhantomData;

    use super::PlantedBug;

    thread_local! {
        pub(super) static PLANTED: Cell<Option<PlantedBug>> = const { Cell::new(None) };
    }

    impl PlantedBug {
        /// All of them.
        pub const ALL: [Self; 7] = [
            Self::KeysKeptOnDenial,
            Self::EpochReused,
            Self::SwitchedBeforeProbe,
            Self::StateUnverified,
            Self::ShreddedOnOutage,
            Self::KeysKeptTooLong,
            Self::DenialNotWritten,
        ];

        /// Makes this mistake on this thread, in the place of any other, until what it returns is dropped.
        #[must_use]
        pub fn plant(self) -> Planted {
            PLANTED.set(Some(self));
            Planted(PhantomData)
        }
    }

    /// A bug that is planted on this thread; see [`PlantedBug`] for an example.
    #[derive(Debug)]
    pub struct Planted(PhantomData<*const ()>); // stays on its thread

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }
}
