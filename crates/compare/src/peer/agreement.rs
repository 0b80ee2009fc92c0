//! Agreement of every peer with the first on AES-256-GCM, checked before any clock runs.

use anyhow::{Result, ensure};

use super::Peer;

/// Lengths of texts and of associated data: around blocks, vectors and strides, and many of each.
const TEXT_LENGTHS: [usize; 16] =
    [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 511, 1000, 4096, 8191, 65_537, 1 << 20];
const AD_LENGTHS: [usize; 4] = [0, 1, 16, 77];

/// Checks that all `peers` give the same ciphertexts and tags, open them, and refuse what was
/// changed.
///
/// # Errors
///
/// Which peer differs, and where.
pub(crate) fn check(peers: &mut [Box<dyn Peer>]) -> Result<()> {
    let (first, others) = peers.split_first_mut().unzip();
    let (Some(first), Some(others)) = (first, others) else { return Ok(()) };
    for text_len in TEXT_LENGTHS {
        for ad_len in AD_LENGTHS {
            let nonce = std::array::from_fn(|_| fastrand::u8(..));
            let text: Vec<u8> = (0..text_len).map(|_| fastrand::u8(..)).collect();
            let ad: Vec<u8> = (0..ad_len).map(|_| fastrand::u8(..)).collect();
            let mut sealed = text.clone();
            let tag = first.seal(&nonce, &ad, &mut sealed);
            let Some(tag) = tag else { anyhow::bail!("{} refuses to seal", first.name()) };
            let message = Message { nonce, ad, text, sealed, tag };
            message.check(first.as_mut())?;
            for peer in &mut *others {
                message.check(peer.as_mut())?;
            }
        }
    }
    Ok(())
}

/// One message as the first peer seals it.
struct Message {
    nonce: [u8; 12],
    ad: Vec<u8>,
    text: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; 16],
}

impl Message {
    fn check(&self, peer: &mut dyn Peer) -> Result<()> {
        let Self { nonce, ad, text, sealed, tag } = self;
        let case = format!(
            "{}, {} bytes of text, {} of associated data",
            peer.name(),
            text.len(),
            ad.len()
        );

        let mut buffer = text.clone();
        ensure!(peer.seal(nonce, ad, &mut buffer) == Some(*tag), "{case}: another tag");
        ensure!(buffer == *sealed, "{case}: another ciphertext");
        ensure!(peer.open(nonce, ad, &mut buffer, tag), "{case}: refuses the right tag");
        ensure!(buffer == *text, "{case}: opens to another text");

        let mut wrong = *tag;
        wrong[fastrand::usize(..16)] ^= 1 << fastrand::u8(..8);
        let refuses = !peer.open(nonce, ad, &mut sealed.clone(), &wrong);
        ensure!(refuses, "{case}: takes a wrong tag");
        if !sealed.is_empty() {
            let mut changed = sealed.clone();
            changed[fastrand::usize(..sealed.len())] ^= 0x10;
            ensure!(!peer.open(nonce, ad, &mut changed, tag), "{case}: takes a changed text");
        }
        if !ad.is_empty() {
            let mut changed = ad.clone();
            changed[fastrand::usize(..ad.len())] ^= 0x10;
            let refuses = !peer.open(nonce, &changed, &mut sealed.clone(), tag);
            ensure!(refuses, "{case}: takes changed associated data");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use strongroom::backend::Backend;

    use super::*;
    use crate::peer::{self, Strongroom};

    #[test]
    fn all_peers_and_all_tiers_agree() {
        let mut peers = peer::all().unwrap();
        assert_eq!(peers.len(), 8);
        for backend in Backend::available() {
            peers.push(Box::new(Strongroom::new(backend)));
        }
        check(&mut peers).unwrap();
    }

    /// A peer that errs in one way.
    struct Wrong(Box<dyn Peer>, fn(&mut Wrong, &mut [u8], &mut [u8; 16]), bool);

    impl Peer for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }

        fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
            let mut tag = self.0.seal(nonce, ad, text)?;
            (self.1)(self, text, &mut tag);
            Some(tag)
        }

        fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
            self.0.open(nonce, ad, text, tag) || self.2
        }
    }

    #[test]
    fn a_peer_that_errs_is_found() {
        let right = || -> Box<dyn Peer> { Box::new(Strongroom::new(Backend::detect())) };
        let found = |wrong: Wrong| {
            let error = check(&mut [right(), Box::new(wrong)]).unwrap_err().to_string();
            assert!(error.starts_with("wrong, "), "{error}");
            error
        };
        assert!(check(&mut [right(), Box::new(Wrong(right(), |_, _, _| (), false))]).is_ok());
        assert!(found(Wrong(right(), |_, _, tag| tag[15] ^= 1, false)).contains("another tag"));
        let last = |_: &mut Wrong, text: &mut [u8], _: &mut [u8; 16]| {
            if let [.., last] = text {
                *last ^= 1;
            }
        };
        assert!(found(Wrong(right(), last, false)).contains("another ciphertext"));
        assert!(found(Wrong(right(), |_, _, _| (), true)).contains("takes a wrong tag"));
    }
}
