//! Cookies: HMACs of a peer's address and of what it asked for, so that nothing has to be remembered of it.

use crate::hello::ClientHello;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::{PKey, Private};
use openssl::rand::rand_bytes;
use openssl::sign::Signer;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Octets of a cookie: clients of DTLS 1.0 accept 32 (RFC 4347 section 4.2.1).
pub(crate) const COOKIE: usize = 32;
/// Age at which a secret is replaced. Cookies of the previous one are still accepted, so a cookie is valid for one to two times this.
const RENEWAL: Duration = Duration::from_secs(300);

/// The secrets.
pub(crate) struct Cookies {
    current: PKey<Private>,
    previous: Option<PKey<Private>>,
    since: Instant,
}

impl Cookies {
    pub(crate) fn new(now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self { current: secret()?, previous: None, since: now })
    }

    /// The cookie for a hello from an address.
    pub(crate) fn of(&mut self, from: SocketAddr, hello: &ClientHello<'_>, now: Instant) -> Option<[u8; COOKIE]> {
        if now.saturating_duration_since(self.since) >= RENEWAL
            && let Ok(secret) = secret()
        {
            self.previous = Some(std::mem::replace(&mut self.current, secret));
            self.since = now;
        }
        compute(&self.current, from, hello)
    }

    /// Whether a hello has the cookie that its sender got.
    pub(crate) fn accepts(&self, from: SocketAddr, hello: &ClientHello<'_>) -> bool {
        let secrets = [Some(&self.current), self.previous.as_ref()];
        let is = |secret: &PKey<Private>| {
            compute(secret, from, hello)
                .is_some_and(|cookie| hello.cookie.len() == COOKIE && memcmp::eq(&cookie, hello.cookie))
        };
        secrets.into_iter().flatten().any(is)
    }
}

fn secret() -> Result<PKey<Private>, ErrorStack> {
    let mut octets = [0; 32];
    rand_bytes(&mut octets)?;
    PKey::hmac(&octets)
}

fn compute(secret: &PKey<Private>, from: SocketAddr, hello: &ClientHello<'_>) -> Option<[u8; COOKIE]> {
    let mut signer = Signer::new(MessageDigest::sha256(), secret).ok()?;
    match from.ip() {
        IpAddr::V4(ip) => signer.update(&ip.octets()).ok()?,
        IpAddr::V6(ip) => signer.update(&ip.octets()).ok()?,
    }
    signer.update(&from.port().to_be_bytes()).ok()?;
    for part in hello.parameters() {
        signer.update(part).ok()?;
    }
    let mut cookie = [0; COOKIE];
    (signer.sign(&mut cookie).ok()? == COOKIE).then_some(cookie)
}
