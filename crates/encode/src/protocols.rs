//! Names of IP protocols: those that pmacct shows; others are shown by number.
//!
//! Some differ from IANA's list (`ipencap` is 4, `ipip` is 94). Consumers of the output rely on them, so the list does not
//! grow.

/// The name of a protocol, if it has one here.
#[inline]
pub fn name(protocol: u8) -> Option<&'static str> {
    match NAMES[usize::from(protocol)] {
        "" => None,
        name => Some(name),
    }
}

/// The protocol of a name, in any case.
pub fn number(name: &str) -> Option<u8> {
    let at = NAMES.iter().position(|known| !known.is_empty() && known.eq_ignore_ascii_case(name))?;
    u8::try_from(at).ok()
}

const NAMES: [&str; 256] = {
    let mut names = [""; 256];
    let mut at = 0;
    while at < KNOWN.len() {
        names[KNOWN[at].0 as usize] = KNOWN[at].1;
        at += 1;
    }
    names
};

const KNOWN: &[(u8, &str)] = &[
    (1, "icmp"),
    (2, "igmp"),
    (3, "ggp"),
    (4, "ipencap"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (17, "udp"),
    (18, "mux"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (55, "mobile"),
    (56, "tlsp"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (80, "iso-ip"),
    (83, "vines"),
    (88, "eigrp"),
    (89, "ospf"),
    (91, "larp"),
    (93, "ax.25"),
    (94, "ipip"),
    (98, "encap"),
    (102, "pnni"),
    (103, "pim"),
    (108, "IPcomp"),
    (111, "ipx-in-ip"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (132, "sctp"),
    (133, "fc"),
    // Reserved by IANA; protocols that `protos_file` does not list are aggregated as this one.
    (255, "others"),
    (143, "ethernet"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!((name(6), name(253), name(0)), (Some("tcp"), None, None));
        for protocol in 0..=255 {
            if let Some(name) = name(protocol) {
                assert_eq!(number(&name.to_uppercase()), Some(protocol));
            }
        }
        assert_eq!((number(""), number("nonsense")), (None, None));
    }
}
