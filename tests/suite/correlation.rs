//! The start of daemons that correlate flows with routes: settings that cannot work are reported, with pmacct's texts.

use testkit::Setup;

const NFACCTD: &str = env!("CARGO_BIN_EXE_nfacctd");
const PMACCTD: &str = env!("CARGO_BIN_EXE_pmacctd");

/// The log of `--check`, and whether the configuration is usable.
fn check(program: &str, aggregate: &str, lines: &str) -> (bool, String) {
    let agents = "bgp_ip=192.0.2.1 ip=0.0.0.0/0\n";
    let config = format!(
        "plugins: print[p]\naggregate[p]: {aggregate}\nprint_output[p]: json\nprint_output_file[p]: /tmp/x\n{lines}\n"
    );
    let setup = Setup::new(program).file("agents.map", agents).config(&config);
    let path = setup.config_path().display().to_string();
    let finished = setup.arguments(["-f", &path, "--check"]).run();
    (finished.code() == Some(0), finished.log.clone())
}

#[test]
fn settings_that_cannot_work_are_reported() {
    let bgp = "bgp_daemon: true\nnfacctd_as: bgp\nnfacctd_net: bgp\n";
    for (aggregate, lines, text) in [
        (
            "src_as",
            "nfacctd_as: bgp",
            "AS aggregation selected but 'bgp_daemon' or 'bmp_daemon' is not enabled. Exiting.",
        ),
        ("dst_net", "nfacctd_net: bgp", "network aggregation selected but none of 'bgp_daemon', 'bmp_daemon'"),
        ("peer_dst_ip", "nfacctd_net: bgp", "network aggregation selected but none of 'bgp_daemon', 'bmp_daemon'"),
        (
            "peer_src_as",
            &format!("{bgp}bgp_peer_src_as_type: map"),
            "bgp_peer_src_as_type set to 'map' but no map defined",
        ),
        (
            "src_med",
            &format!("{bgp}bgp_src_med_type: map"),
            "bgp_src_med_type set to 'map' but no map defined. Exiting.",
        ),
        (
            "src_as",
            &format!("{bgp}bgp_stdcomm_pattern_to_asn: 1:1\nbgp_lrgcomm_pattern_to_asn: 1:1:1"),
            "bgp_stdcomm_pattern_to_asn and bgp_lrgcomm_pattern_to_asn are mutual exclusive. Exiting.",
        ),
        ("src_as", &format!("{bgp}nfacctd_net[p]: netflow"), "cannot be combined with bgp"),
    ] {
        let (good, log) = check(NFACCTD, aggregate, lines);
        assert!(!good && log.contains(text), "{lines}: {log}");
    }
}

#[test]
fn settings_that_are_probably_mistakes_are_warned_of() {
    let bgp = "bgp_daemon: true\nnfacctd_as: bgp\nnfacctd_net: bgp\n";
    for (aggregate, lines, text) in [
        (
            "dst_as",
            format!("{bgp}bgp_follow_nexthop: 10.0.0.0/33, 192.0.2.0/24"),
            "invalid IP prefix '10.0.0.0/33'",
        ),
        ("src_as_path", bgp.to_owned(), "src_as_path => bgp_src_as_path_type"),
        ("proto", "nfacctd_as: bgp".to_owned(), "bgp has no effect without bgp_daemon: true"),
    ] {
        let (good, log) = check(NFACCTD, aggregate, &lines);
        // For --check, a warning is reason enough to fail.
        assert!(!good && log.contains("WARN") && log.contains(text), "{lines}: {log}");
    }
    let (good, log) = check(NFACCTD, "dst_as, as_path", bgp);
    assert!(good && !log.contains("WARN"), "{log}");
}

#[test]
fn packets_need_an_agent_map_and_types_of_what_they_show_of_the_source() {
    let bgp = "pcap_interface: lo\nbgp_daemon: true\npmacctd_as: bgp\npmacctd_net: bgp\n";
    let (good, log) = check(PMACCTD, "dst_as", bgp);
    assert!(!good, "{log}");
    assert!(log.contains("'bgp_daemon' configured but no 'bgp_agent_map' has been specified. Exiting."), "{log}");
    let with_map = format!("{bgp}bgp_agent_map: {{dir}}/agents.map\n");
    let (good, log) = check(PMACCTD, "dst_as", &with_map);
    assert!(good, "{log}");
    let (good, log) = check(PMACCTD, "peer_src_as, src_as_path", &with_map);
    let missing = "peer_src_as => bgp_peer_src_as_type, src_as_path => bgp_src_as_path_type";
    assert!(!good && log.contains(missing), "{log}");
}
