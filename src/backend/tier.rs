//! The tiers, and the choice between them as a pure function.

use crate::arch::features::Features;

/// An implementation of AES-256-GCM, whether this processor can run it or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    Vaes512,
    Vaes256,
    Aesni,
    Armv8,
    Software,
}

impl Tier {
    /// Every tier, fastest first.
    pub(super) const ALL: [Self; 5] =
        [Self::Vaes512, Self::Vaes256, Self::Aesni, Self::Armv8, Self::Software];

    /// The tiers that a processor with these features can run, fastest first.
    pub(super) fn supported_by(features: Features) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |tier| match tier {
            Self::Vaes512 => features.support_vaes512(),
            Self::Vaes256 => features.support_vaes256(),
            Self::Aesni => features.support_aesni(),
            Self::Armv8 => features.support_armv8(),
            Self::Software => true,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Vaes512 => "vaes512",
            Self::Vaes256 => "vaes256",
            Self::Aesni => "aesni",
            Self::Armv8 => "armv8",
            Self::Software => "software",
        }
    }
}
