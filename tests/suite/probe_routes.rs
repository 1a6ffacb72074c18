//! Probes beside a BGP daemon: what a route says about a packet arrives at collectors, ours and others.

use crate::bgp::own_address as own_host;
use crate::bgp_flows::{looking_up, routes};
use crate::nfprobe::{Nfcapd, received, tshark};
use crate::sflow::sfacctd;
use crate::support::{assert_rows, nfacctd, start, without_event_type};
use serde_json::json;
use std::net::{Ipv4Addr, UdpSocket};
use testkit::Setup;
use testkit::bgp::Open;
use testkit::frames::{ETHERNET, IPV4, UDP, capture, ethernet, ipv4, udp};
use testkit::sockets::own_address;

const SRC: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 5);
const DST: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 9);
/// Octets of the packet.
const BYTES: u64 = 20 + 8 + 70;

#[test]
fn routes_of_packets_arrive_at_collectors() {
    let netflow = start(&nfacctd(
        "plugins: print[p]
         aggregate[p]: src_as, dst_as, peer_dst_ip, src_mask, dst_mask, export_proto_version, export_proto_sysid
         print_output[p]: json
         print_output_file[p]: {dir}/out.json
         nfacctd_as: netflow
         nfacctd_net: netflow
         use_ip_next_hop: true",
    ));
    let sflow = sfacctd(
        "src_as, dst_as, peer_src_as, peer_dst_as, as_path, std_comm, local_pref, peer_dst_ip, src_mask, dst_mask, \
         export_proto_sysid",
        "sfacctd_as: sflow\nsfacctd_net: sflow",
    );
    let sflow = sflow.start();
    sflow.wait_for_log("waiting for sFlow data");
    let analyser = UdpSocket::bind(own_address()).unwrap();
    let nfcapd_at = own_address();
    let nfcapd = Nfcapd::start(nfcapd_at);
    let (to, host) = (netflow.setup().address(), own_host());
    let of_routes = "src_host, dst_host, proto, src_as, dst_as, peer_dst_ip, src_mask, dst_mask";
    let probe = Setup::new(env!("CARGO_BIN_EXE_pmacctd"))
        .config(&format!(
            "pcap_savefile: {{dir}}/in.pcap
             pcap_savefile_delay: 5
             plugins: nfprobe[ipfix], nfprobe[peers], nfprobe[old], nfprobe[lists], nfprobe[other], sfprobe[samples], sfprobe[neighbours]
             aggregate: {of_routes}
             aggregate[lists]: {of_routes}, src_std_comm, std_comm, ext_comm, lrg_comm
             aggregate[samples]: src_as, dst_as, peer_src_as, as_path, std_comm, local_pref, peer_dst_ip, src_mask, dst_mask
             nfprobe_receiver: {to}
             nfprobe_engine[ipfix]: 1
             nfprobe_engine[peers]: 2
             nfprobe_version[peers]: 9
             nfprobe_peer_as[peers]: true
             nfprobe_engine[old]: 3
             nfprobe_version[old]: 5
             nfprobe_receiver[lists]: {analyser}
             nfprobe_receiver[other]: {nfcapd_at}
             nfprobe_version[other]: 9
             aggregate[neighbours]: src_as, dst_as
             sfprobe_receiver: {sflow}
             sfprobe_agentsubid[neighbours]: 7
             sfprobe_peer_as[neighbours]: true
             bgp_agent_map: {{dir}}/agents",
            analyser = analyser.local_addr().unwrap(),
            sflow = sflow.setup().address(),
        ))
        .more_config(&looking_up("pmacctd"))
        .file("agents", format!("bgp_ip={host} ip=0.0.0.0/0\n"))
        .file("in.pcap", {
            let frame = ethernet(IPV4, &ipv4(UDP, SRC, DST, &udp(1024, 53, &[1; 70])));
            capture(ETHERNET, [(1_700_000_000_000_000, frame)])
        });
    let probe = probe.spawn();
    let _speaker = routes(&probe, &host, &Open::new(65_001, [10, 0, 0, 9].into()));
    let finished = probe.wait();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);

    let row = |version: u32, domain: u32, [src, dst]: [u32; 2]| {
        json!({
            "as_src": src, "as_dst": dst, "peer_ip_dst": "10.0.0.1", "mask_src": 16, "mask_dst": 16,
            "export_proto_version": version, "export_proto_sysid": domain, "packets": 1, "bytes": BYTES,
        })
    };
    let expected = [row(10, 1, [65_030, 65_020]), row(9, 2, [65_002, 65_001]), row(5, 3, [65_030, 65_020])];
    assert_rows(without_event_type(netflow.stop().json("out.json")), expected);

    let bytes = BYTES + 14 + 4;
    let sampled = json!({
        "as_src": 65_030, "as_dst": 65_020, "peer_as_src": 65_002, "peer_as_dst": 65_001,
        "as_path": "65001_65010_65020", "comms": "65001:100_no-export", "local_pref": 200, "peer_ip_dst": "10.0.0.1",
        "mask_src": 16, "mask_dst": 16, "export_proto_sysid": 1402, "packets": 1, "bytes": bytes,
    });
    let neighbours = json!({
        "as_src": 65_002, "as_dst": 65_001, "peer_as_src": 65_002, "peer_as_dst": 65_001, "as_path": "65001", "comms": "",
        "local_pref": 0, "peer_ip_dst": "0.0.0.0", "mask_src": 0, "mask_dst": 0, "export_proto_sysid": 7, "packets": 1,
        "bytes": bytes,
    });
    assert_rows(without_event_type(sflow.stop().json("out.json")), [sampled, neighbours]);

    let (datagrams, port) = (received(&analyser), analyser.local_addr().unwrap().port());
    let fields = "cflow.srcas cflow.dstas cflow.bgpnexthop cflow.srcmask cflow.dstmask";
    if let Some(words) = tshark(&datagrams, port, "cflow", fields) {
        assert_eq!(words, ["65030", "65020", "10.0.0.1", "16", "16"]);
    }
    // The lists of destination communities and of large ones, as octets (RFC 6313).
    let octets = datagrams.concat();
    let list = [&[13, 3, 1, 0xe3, 0, 4][..], &[0xfd, 0xe9, 0, 100], &[0xff, 0xff, 0xff, 1]].concat();
    assert!(octets.windows(list.len()).any(|window| window == list));
    let large = [&[17, 3, 1, 0xe9, 0, 12][..], &[0, 0, 0xfd, 0xe9, 0, 0, 0, 1, 0, 0, 0, 2]].concat();
    assert!(octets.windows(large.len()).any(|window| window == large));

    if let Some(nfcapd) = nfcapd {
        let text = nfcapd.stop("%sas %das %nhb %smk %dmk");
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["65030", "65020", "10.0.0.1", "16", "16"]);
    }
}
