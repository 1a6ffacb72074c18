//! The contents of the programs: the parts that the row of the daemon names, and no others.

use std::fs;

/// Strings that occur in one part only, and the programs that contain it.
const STRINGS: &[(&str, &[&str])] = &[
    ("receiving failed", &["nfacctd", "sfacctd"]),
    ("data set received before its template", &["nfacctd"]),
    ("waiting for IPFIX over ", &["nfacctd"]),
    ("nfacctd_templates_file: still being written", &["nfacctd"]),
    ("counter samples only, no flow samples", &["sfacctd"]),
    ("blocks of counters were not written", &["sfacctd"]),
    #[cfg(feature = "pcap")]
    ("no interface is left", &["pmacctd"]),
    #[cfg(feature = "pcap")]
    ("finished reading PCAP capture file", &["pmacctd"]),
    ("waiting for packets from netfilter's log", &["uacctd"]),
    ("cannot express IPv6 flows", &["pmacctd", "uacctd"]),
    ("sFlow has no record for it", &["pmacctd", "uacctd"]),
    ("there is nowhere to send datagrams to", &["nfacctd", "sfacctd"]),
    ("tee_receivers: no socket to ", &["nfacctd", "sfacctd"]),
    ("*** Purging cache - START", &["nfacctd", "sfacctd", "pmacctd", "uacctd"]),
    ("waiting for BGP data on ", &["nfacctd", "sfacctd", "pmacctd", "uacctd", "pmbgpd"]),
    ("waiting for BMP data on ", &["nfacctd", "sfacctd", "pmacctd", "uacctd", "pmbmpd"]),
    ("waiting for telemetry data on ", &["nfacctd", "sfacctd", "pmacctd", "uacctd", "pmtelemetryd"]),
];

const PROGRAMS: &[(&str, &str)] = &[
    ("nfacctd", env!("CARGO_BIN_EXE_nfacctd")),
    ("sfacctd", env!("CARGO_BIN_EXE_sfacctd")),
    ("pmacctd", env!("CARGO_BIN_EXE_pmacctd")),
    ("uacctd", env!("CARGO_BIN_EXE_uacctd")),
    ("pmbgpd", env!("CARGO_BIN_EXE_pmbgpd")),
    ("pmbmpd", env!("CARGO_BIN_EXE_pmbmpd")),
    ("pmtelemetryd", env!("CARGO_BIN_EXE_pmtelemetryd")),
];

#[test]
fn a_program_contains_only_the_parts_of_its_row() {
    for (program, path) in PROGRAMS {
        let contents = fs::read(path).expect("it was built");
        let contents = String::from_utf8_lossy(&contents);
        for (text, daemons) in STRINGS {
            let is_there = contents.contains(text);
            assert_eq!(is_there, daemons.contains(program), "{program}: {text}");
        }
    }
}
