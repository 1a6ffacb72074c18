//! The operator's file of keys, `bgp_daemon_md5_file`.
//!
//! A line has the address of a peer, or a prefix, and a key, separated by a comma. Blanks around both are removed. Empty lines
//! and lines that begin with `!` are comments.
//!
//! ```text
//! ! TCP-MD5 (RFC 2385): the key
//! 192.0.2.1, s3cret
//! 2001:db8::/32, another
//! ! TCP-AO (RFC 5925): ao:KEYID:ALGORITHM:KEY, or ao:SENDID/RECVID:ALGORITHM:KEY
//! 198.51.100.1, ao:5:hmac-sha-1-96:s3cret
//! 198.51.100.1, ao:6/7:aes-128-cmac-96:next
//! ```
//!
//! Of several prefixes that contain a peer, the longest counts. A peer has one TCP-MD5 key, or TCP-AO keys with different ids, so
//! that keys can be changed without an interruption. The file is not a list of those who may connect: a peer without a key
//! connects unsigned.

use config::{Diagnostics, Origin};
use std::collections::HashMap;
use std::fmt;
use wire::Prefix;

/// Octets of the longest key; the kernel's bound.
pub const MAX_KEY: usize = 80;

/// Keys in a file at most.
const MAX_KEYS: usize = 8192;

/// What a line must look like.
const EXAMPLE: &str = "A line is an address or a prefix, a comma and a key, such as '192.0.2.1, s3cret' or \
                       '192.0.2.1, ao:5:hmac-sha-1-96:s3cret'.";

/// What a TCP-AO key must look like.
const AO_EXAMPLE: &str = "A TCP-AO key is ao:KEYID:ALGORITHM:KEY or ao:SENDID/RECVID:ALGORITHM:KEY, such as \
                          'ao:5:hmac-sha-1-96:s3cret'. A TCP-MD5 key cannot begin with 'ao:'.";

/// An algorithm of TCP-AO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1-96 (RFC 5926 section 3.2).
    HmacSha1,
    /// AES-128-CMAC-96 (RFC 5926 section 3.2).
    Aes128Cmac,
    /// HMAC-SHA-256-128.
    HmacSha256,
}

impl Algorithm {
    /// All.
    pub const ALL: [Self; 3] = [Self::HmacSha1, Self::Aes128Cmac, Self::HmacSha256];

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha-1-96",
            Self::Aes128Cmac => "aes-128-cmac-96",
            Self::HmacSha256 => "hmac-sha-256-128",
        }
    }

    /// The name in the kernel.
    pub(crate) const fn kernel_name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac(sha1)",
            Self::Aes128Cmac => "cmac(aes128)",
            Self::HmacSha256 => "hmac(sha256)",
        }
    }

    /// Octets of the MAC in a segment.
    pub(crate) const fn mac_len(self) -> u8 {
        match self {
            Self::HmacSha1 | Self::Aes128Cmac => 12,
            Self::HmacSha256 => 16,
        }
    }
}

/// How segments are signed. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// TCP-MD5 (RFC 2385): the key, from 1 to 80 octets.
    Md5(Box<[u8]>),
    /// TCP-AO (RFC 5925).
    Ao {
        /// Id of the key in segments that we send.
        send_id: u8,
        /// Id of the key in segments that the peer sends.
        receive_id: u8,
        /// The algorithm of the MAC and of the traffic keys.
        algorithm: Algorithm,
        /// The key, from 1 to 80 octets.
        key: Box<[u8]>,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(_) => f.write_str("TCP-MD5"),
            Self::Ao { send_id, receive_id, algorithm, .. } => {
                write!(f, "TCP-AO {send_id}/{receive_id} {}", algorithm.name())
            }
        }
    }
}

/// The key of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Addresses of the peer; IPv4-mapped ones are IPv4.
    pub peer: Prefix,
    /// How segments are signed.
    pub secret: Secret,
    /// Its line in the file, from 1.
    pub line: u32,
}

/// What tells keys apart: a socket has at most one key for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    peer: Prefix,
    /// The ids of a TCP-AO key.
    ids: Option<(u8, u8)>,
}

impl Key {
    pub(crate) fn identity(&self) -> Identity {
        let ids = match self.secret {
            Secret::Md5(_) => None,
            Secret::Ao { send_id, receive_id, .. } => Some((send_id, receive_id)),
        };
        Identity { peer: self.peer, ids }
    }

    /// True if one socket cannot have both keys: TCP-AO keys of a peer share an id.
    fn shares_an_id(&self, other: &Self) -> bool {
        match (self.identity().ids, other.identity().ids) {
            (Some((send, receive)), Some((other_send, other_receive))) => {
                send == other_send || receive == other_receive
            }
            _ => false,
        }
    }
}

/// The keys of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    list: Vec<Key>,
}

impl Keys {
    /// Parses the text of a file.
    ///
    /// Lines that are wrong are fatal: without its key a peer would connect unsigned.
    pub fn parse(origin: &Origin, text: &[u8], problems: &mut Diagnostics) -> Self {
        let mut keys = Self::default();
        let mut by_peer: HashMap<Prefix, Vec<usize>> = HashMap::new();
        for (number, line) in (1..).zip(text.split(|&octet| octet == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"!") {
                continue;
            }
            let at = origin.at(number);
            let mut fields = line.splitn(3, |&octet| octet == b',').map(<[u8]>::trim_ascii);
            let (Some(peer), Some(secret)) = (fields.next(), fields.next()) else {
                problems.fatal(&at, "the line has no comma.", Some(EXAMPLE.into()));
                continue;
            };
            if fields.next().is_some() {
                let hint = "A key cannot contain a comma.".to_owned();
                problems.warn(&at, "what follows the second comma is ignored.", Some(hint));
            }
            if keys.list.len() == MAX_KEYS {
                problems.fatal(
                    &at,
                    format!("more than {MAX_KEYS} keys."),
                    Some("A prefix is one key for many peers.".into()),
                );
                break;
            }
            let parsed = parse_peer(peer).and_then(|peer| Ok((peer, parse_secret(secret)?)));
            let key = match parsed {
                Ok((peer, secret)) => Key { peer, secret, line: number },
                Err((what, hint)) => {
                    problems.fatal(&at, what, Some(hint.into()));
                    continue;
                }
            };
            let same_peer = by_peer.entry(key.peer).or_default();
            keys.insert(key, same_peer, &at, problems);
        }
        keys
    }

    /// Adds a key unless it contradicts one of the same peer; `same_peer` are the positions of those.
    fn insert(&mut self, key: Key, same_peer: &mut Vec<usize>, at: &Origin, problems: &mut Diagnostics) {
        for &index in same_peer.iter() {
            let Some(other) = self.list.get_mut(index) else { continue };
            let line = other.line;
            match (&other.secret, &key.secret) {
                (Secret::Md5(_), Secret::Md5(_)) => {
                    // As in pmacct the last one counts.
                    problems.warn(at, format!("the key of line {line} for {} is replaced.", key.peer), None);
                    *other = key;
                    return;
                }
                (Secret::Ao { .. }, Secret::Ao { .. }) => {
                    if key.shares_an_id(other) {
                        let what = format!("{} has a TCP-AO key with the same id in line {line}.", key.peer);
                        problems.fatal(at, what, Some("Ids tell keys of a peer apart.".into()));
                        return;
                    }
                }
                _ => {
                    let what = format!("{} has a key of the other kind in line {line}.", key.peer);
                    problems.fatal(at, what, Some("A peer signs with TCP-MD5 or with TCP-AO.".into()));
                    return;
                }
            }
        }
        same_peer.push(self.list.len());
        self.list.push(key);
    }

    /// The keys, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.list.iter()
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True if there is no key.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What is wrong, and a hint.
type Wrong = (String, &'static str);

fn parse_peer(text: &[u8]) -> Result<Prefix, Wrong> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Prefix>().ok());
    let wrong = || (format!("'{}' is neither an address nor a prefix.", String::from_utf8_lossy(text)), EXAMPLE);
    parsed.map(Prefix::to_canonical).ok_or_else(wrong)
}

// Texts do not show keys, which would end up in logs.
fn parse_secret(text: &[u8]) -> Result<Secret, Wrong> {
    let Some(text) = text.strip_prefix(b"ao:") else { return Ok(Secret::Md5(parse_key(text)?)) };
    let mut fields = text.splitn(3, |&octet| octet == b':');
    let (Some(ids), Some(algorithm), Some(key)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(("a TCP-AO key without id, algorithm or key.".into(), AO_EXAMPLE));
    };
    let mut ids = ids.splitn(2, |&octet| octet == b'/');
    let id = |text: &[u8]| {
        let number =
            std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
        number.and_then(|text| text.parse::<u8>().ok())
    };
    let send_id = ids.next().and_then(id);
    let receive_id = ids.next().map_or(send_id, id);
    let (Some(send_id), Some(receive_id)) = (send_id, receive_id) else {
        return Err(("the id of a TCP-AO key is not a number from 0 to 255.".into(), AO_EXAMPLE));
    };
    let Some(algorithm) = Algorithm::ALL.into_iter().find(|known| known.name().as_bytes() == algorithm) else {
        let what = "the algorithm of a TCP-AO key is unknown.".into();
        return Err((what, "Known are hmac-sha-1-96, aes-128-cmac-96 and hmac-sha-256-128."));
    };
    Ok(Secret::Ao { send_id, receive_id, algorithm, key: parse_key(key)? })
}

fn parse_key(text: &[u8]) -> Result<Box<[u8]>, Wrong> {
    match text.len() {
        0 => Err(("the key is empty.".into(), EXAMPLE)),
        1..=MAX_KEY => Ok(text.into()),
        len => {
            let what = format!("the key has {len} octets.");
            Err((what, "A key has 80 octets at most, which is the kernel's limit."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &[u8]) -> (Keys, Vec<String>) {
        let mut problems = Diagnostics::new();
        let keys = Keys::parse(&Origin::whole("keys.lst"), text, &mut problems);
        (keys, problems.iter().map(|problem| format!("{} {}", problem.origin, problem.what)).collect())
    }

    fn md5(peer: &str, key: &str, line: u32) -> Key {
        Key { peer: peer.parse().unwrap(), secret: Secret::Md5(key.as_bytes().into()), line }
    }

    fn ao(peer: &str, send_id: u8, receive_id: u8, algorithm: Algorithm, key: &str, line: u32) -> Key {
        let secret = Secret::Ao { send_id, receive_id, algorithm, key: key.as_bytes().into() };
        Key { peer: peer.parse().unwrap(), secret, line }
    }

    #[test]
    fn addresses_prefixes_and_both_kinds_of_keys_are_read() {
        let text = b"! core\n127.0.1.1, s3cret\n\n 192.0.2.7/24 ,pass word\r\n2001:db8::/32,a!b\n::ffff:10.0.0.1, mapped\n\
            10.0.0.2, ao:5:hmac-sha-1-96:one:two\n10.0.0.2,ao:6/255:aes-128-cmac-96:x\n::1, ao:0:hmac-sha-256-128:y";
        let (keys, problems) = parse(text);
        assert_eq!(problems, [""; 0]);
        let expected = [
            md5("127.0.1.1", "s3cret", 2),
            md5("192.0.2.0/24", "pass word", 4),
            md5("2001:db8::/32", "a!b", 5),
            md5("10.0.0.1", "mapped", 6),
            ao("10.0.0.2", 5, 5, Algorithm::HmacSha1, "one:two", 7),
            ao("10.0.0.2", 6, 255, Algorithm::Aes128Cmac, "x", 8),
            ao("::1", 0, 0, Algorithm::HmacSha256, "y", 9),
        ];
        assert_eq!(keys.list, expected);
    }

    #[test]
    fn lines_that_are_wrong_are_named_and_do_not_show_keys() {
        let long = format!("10.0.0.1, {}\n", "x".repeat(81));
        for (text, problem) in [
            ("10.0.0.1 s3cret\n", "keys.lst:1 the line has no comma."),
            ("\n10.0.0, s3cret\n", "keys.lst:2 '10.0.0' is neither an address nor a prefix."),
            ("10.0.0.1/33, s3cret\n", "keys.lst:1 '10.0.0.1/33' is neither an address nor a prefix."),
            (", s3cret\n", "keys.lst:1 '' is neither an address nor a prefix."),
            ("10.0.0.1,\n", "keys.lst:1 the key is empty."),
            (&long, "keys.lst:1 the key has 81 octets."),
            ("10.0.0.1, ao:s3cret\n", "keys.lst:1 a TCP-AO key without id, algorithm or key."),
            ("10.0.0.1, ao:1:hmac-sha-1-96\n", "keys.lst:1 a TCP-AO key without id, algorithm or key."),
            ("10.0.0.1, ao:1:hmac-sha-1-96:\n", "keys.lst:1 the key is empty."),
            (
                "10.0.0.1, ao:256:hmac-sha-1-96:x\n",
                "keys.lst:1 the id of a TCP-AO key is not a number from 0 to 255.",
            ),
            (
                "10.0.0.1, ao:1/:hmac-sha-1-96:x\n",
                "keys.lst:1 the id of a TCP-AO key is not a number from 0 to 255.",
            ),
            (
                "10.0.0.1, ao:+1:hmac-sha-1-96:x\n",
                "keys.lst:1 the id of a TCP-AO key is not a number from 0 to 255.",
            ),
            ("10.0.0.1, ao:1:md5:s3cret\n", "keys.lst:1 the algorithm of a TCP-AO key is unknown."),
        ] {
            let (keys, problems) = parse(text.as_bytes());
            assert_eq!(problems, [problem]);
            assert!(keys.is_empty());
        }
        let (keys, _) = parse(b"10.0.0.1, s3cret");
        assert_eq!(format!("{:?}", keys.list[0].secret), "TCP-MD5");
    }

    #[test]
    fn a_line_that_is_wrong_is_fatal() {
        for (text, fatal) in
            [(&b"10.0.0.1"[..], true), (b"10.0.0.1, a, b", false), (b"10.0.0.1,", true), (b"x, y", true)]
        {
            let mut problems = Diagnostics::new();
            Keys::parse(&Origin::whole("keys.lst"), text, &mut problems);
            assert_eq!((problems.is_fatal(), problems.iter().count()), (fatal, 1));
        }
    }

    #[test]
    fn keys_of_one_peer_must_fit_each_other() {
        let (keys, problems) = parse(b"10.0.0.1, a\n10.0.0.1/32, b\n10.0.0.0/8, c\n");
        assert_eq!(problems, ["keys.lst:2 the key of line 1 for 10.0.0.1/32 is replaced."]);
        assert_eq!(keys.list, [md5("10.0.0.1", "b", 2), md5("10.0.0.0/8", "c", 3)]);
        let (keys, problems) = parse(b"10.0.0.1, a\n10.0.0.1, ao:1:hmac-sha-1-96:x\n");
        assert_eq!(problems, ["keys.lst:2 10.0.0.1/32 has a key of the other kind in line 1."]);
        assert_eq!(keys.len(), 1);
        let (_, problems) = parse(b"10.0.0.1, ao:1/2:hmac-sha-1-96:x\n10.0.0.1, ao:3/2:hmac-sha-1-96:x\n");
        assert_eq!(problems, ["keys.lst:2 10.0.0.1/32 has a TCP-AO key with the same id in line 1."]);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let text: String = (0..9000).map(|n| format!("10.{}.{}.1, x\n", n / 256, n % 256)).collect();
        let (keys, problems) = parse(text.as_bytes());
        assert_eq!((keys.len(), problems), (8192, vec!["keys.lst:8193 more than 8192 keys.".to_owned()]));
    }

    proptest! {
        #[test]
        fn any_text_gives_valid_keys(text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b','), Just(b'1'), Just(b':')], 0..200)) {
            let (keys, _) = parse(&text);
            for key in keys.iter() {
                let (Secret::Md5(octets) | Secret::Ao { key: octets, .. }) = &key.secret;
                prop_assert!((1..=MAX_KEY).contains(&octets.len()));
            }
        }
    }
}
