//! Enrichment from the operator's files: networks, filters, lists, geolocation; and reloads of them.

use crate::support::{
    NOW, assert_rows, nfacctd, one, printing, rows, start, template, v5_of, web, without_event_type,
};
use netflow::encode::{Message, field};
use serde_json::json;
use testkit::mmdb::{self, Record};
use testkit::output::sum;
use testkit::process::Signal;
use testkit::{Process, Setup};

const NETWORKS: &str =
    "! two families\n65001,10.0.0.0/8\n65002_65003,10.0.0.0/24\n192.0.2.254,65004,192.0.2.0/24\n";

/// A collector with these lines whose networks come from a file.
fn with_networks(aggregate: &str, lines: &str) -> Setup {
    printing(aggregate)
        .more_config("nfacctd_net: file\nnfacctd_as: file\nnetworks_file: {dir}/networks")
        .more_config(lines)
        .file("networks", NETWORKS)
}

/// The rows that a collector prints for records from 10.0.0.`host`.
fn of_hosts(setup: &Setup, hosts: &[u8]) -> Vec<serde_json::Value> {
    let process = start(setup);
    let records: Vec<_> = hosts.iter().map(|host| web(*host, 1000, 1, 10)).collect();
    process.exporter("127.0.1.1").send(&v5_of(&records));
    without_event_type(process.stop().json("out.json"))
}

#[test]
fn networks_as_numbers_and_next_hops_come_from_a_file() {
    let setup = with_networks("src_net, src_mask, src_as, peer_src_as, dst_as, peer_dst_ip", "");
    let row = json!({
        "net_src": "10.0.0.0", "mask_src": 24, "as_src": 65003, "peer_as_src": 65002, "as_dst": 65004,
        "peer_ip_dst": "192.0.2.254", "packets": 2, "bytes": 20,
    });
    assert_rows(of_hosts(&setup, &[1, 2]), [row]);
}

#[test]
fn a_plugin_can_have_its_own_networks_file() {
    let setup = nfacctd(
        "plugins: print[a], print[b]
         print_output: json
         aggregate: src_net
         print_output_file[a]: {dir}/a.json
         print_output_file[b]: {dir}/b.json
         nfacctd_net[b]: mask
         networks_mask[b]: 29",
    );
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(9, 1, 1, 10)]));
    let finished = process.stop();
    let net = |file| finished.json(file)[0]["net_src"].clone();
    // Without the key the networks of the exporter are used.
    assert_eq!((net("a.json"), net("b.json")), (json!("10.0.0.0"), json!("10.0.0.8")));
}

#[test]
fn a_plugin_can_keep_the_networks_of_the_exporter() {
    let setup = nfacctd(
        "plugins: print[p], print[q]
         print_output: json
         aggregate: src_net, src_mask
         print_output_file[p]: {dir}/out.json
         print_output_file[q]: {dir}/q.json
         nfacctd_net: file
         networks_file: {dir}/networks
         nfacctd_net[q]: netflow",
    )
    .file("networks", "64500,10.0.0.0/8\n");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(9, 1, 1, 10)]));
    let finished = process.stop();
    let mask = |file| finished.json(file)[0]["mask_src"].clone();
    assert_eq!((mask("out.json"), mask("q.json")), (json!(8), json!(24)));
}

#[test]
fn unlisted_networks_can_be_merged_and_filters_see_the_original() {
    let lines = "networks_file_filter: true\naggregate_filter[p]: dst host 192.0.2.1";
    let setup = with_networks("src_host, dst_host", lines).file("networks", "10.0.0.0/30\n");
    let row =
        |src, packets| json!({"ip_src": src, "ip_dst": "0.0.0.0", "packets": packets, "bytes": packets * 10});
    assert_rows(of_hosts(&setup, &[1, 9, 17]), [row("0.0.0.0", 2), row("10.0.0.1", 1)]);
}

#[test]
fn aggregate_filter_selects_the_records_of_a_plugin() {
    let setup = nfacctd(
        "plugins: print[a], print[b]
         print_output: json
         aggregate: src_host
         print_output_file[a]: {dir}/a.json
         print_output_file[b]: {dir}/b.json
         aggregate_filter[a]: src net 10.0.0.0/31 and tcp dst port 80
         aggregate_filter[b]: udp",
    );
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1, 1, 10), web(2, 1, 1, 10)]));
    let statistics = process.wait_for_datagrams(1);
    statistics.assert_all_accounted();
    let finished = process.stop();
    let hosts: Vec<_> = finished.json("a.json").iter().map(|row| row["ip_src"].clone()).collect();
    assert_eq!(hosts, ["10.0.0.1"]);
    assert!(!finished.setup().files().contains(&"b.json".to_owned()));
}

#[test]
fn expressions_without_vlan_match_records_with_small_vlan_ids() {
    let fields = [field(8, 4), field(4, 1), field(58, 2), field(2, 1), field(1, 1)];
    let template = template(1, 256, fields.to_vec());
    let vlans: [u16; 5] = [0, 5, 255, 256, 300];
    let record = |vlan: u16| [&[10, 0, 0, 1, 6][..], &vlan.to_be_bytes(), &[1, 40]].concat();
    let message = Message::ipfix(1, 0, NOW)
        .templates(&[&template])
        .records(256, vlans.len(), |w| vlans.iter().for_each(|vlan| _ = w.put(&record(*vlan))))
        .finish();
    let setup = nfacctd(
        "plugins: print[plain], print[named]
         print_output: json
         aggregate: vlan, tag
         pre_tag_map: {dir}/tags.map
         print_output_file[plain]: {dir}/plain.json
         print_output_file[named]: {dir}/named.json
         aggregate_filter[plain]: src net 10.0.0.0/8
         aggregate_filter[named]: vlan and src net 10.0.0.0/8",
    )
    .file("tags.map", "set_tag=1 filter='tcp'\nset_tag=2 filter='vlan 300'\n");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&message);
    process.wait_for_datagrams(1).assert_all_accounted();
    let finished = process.stop();
    let vlans = |file| {
        let mut vlans: Vec<_> =
            finished.json(file).iter().map(|row| (row["vlan"].as_u64(), row["tag"].as_u64())).collect();
        vlans.sort_unstable();
        vlans
    };
    let row = |vlan, tag| (Some(vlan), Some(tag));
    assert_eq!(vlans("plain.json"), [row(0, 1), row(5, 1), row(255, 1)]);
    assert_eq!(vlans("named.json"), [row(5, 1), row(255, 1), row(256, 0), row(300, 2)]);
}

#[test]
fn an_invalid_expression_or_a_missing_file_prevents_the_start() {
    let setup = printing("src_host").more_config(
        "aggregate_filter[p]: tcp and nonsense word
         networks_file: {dir}/none
         geoipv2_file: {dir}/none.mmdb",
    );
    let finished = setup.run();
    assert_eq!(finished.code(), Some(1));
    for part in ["aggregate_filter[p]", "networks_file: file not found", "geoipv2_file"] {
        assert!(finished.log.contains(part), "{part}:\n{}", finished.log);
    }
}

#[test]
fn unlisted_ports_protocols_and_tos_values_are_merged() {
    let setup = printing("src_port, dst_port, proto, tos")
        .more_config("ports_file: {dir}/ports\nprotos_file: {dir}/protos\ntos_file: {dir}/tos")
        .file("ports", "80\n1000\n")
        .file("protos", "udp\n")
        .file("tos", "0\n");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1000, 1, 10), web(1, 2000, 1, 10), web(1, 3000, 1, 10)]));
    let row = |port, packets| {
        json!({
            "port_src": port, "port_dst": 80, "ip_proto": "others", "tos": 255,
            "packets": packets, "bytes": packets * 10,
        })
    };
    assert_rows(without_event_type(process.stop().json("out.json")), [row(0, 2), row(1000, 1)]);
}

fn with_geolocation(setup: Setup, records: &[Record]) -> Setup {
    setup.more_config("geoipv2_file: {dir}/city.mmdb").file("city.mmdb", mmdb::city(records))
}

const AMSTERDAM: Record =
    Record { network: ("10.0.0.0", 24), country: "NL", pocode: "1012", location: (52.37, 4.89) };

#[test]
fn geolocation_comes_from_a_database() {
    let setup = with_geolocation(
        printing("src_host_country, dst_host_country, src_host_pocode, src_host_coords"),
        &[AMSTERDAM],
    );
    let row = json!({
        "country_ip_src": "NL", "country_ip_dst": "", "pocode_ip_src": "1012", "lat_ip_src": 52.37,
        "lon_ip_src": 4.89, "packets": 1, "bytes": 10,
    });
    assert_rows(of_hosts(&setup, &[1]), [row]);
}

#[test]
fn geolocation_without_a_database_is_empty() {
    let fields = [field(8, 4), field(12, 4), field(2, 4), field(1, 4)];
    let record = [10, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 10];
    let row = json!({"country_ip_src": "", "lat_ip_dst": 0.0, "lon_ip_dst": 0.0, "packets": 1, "bytes": 10});
    assert_rows(rows("src_host_country, dst_host_coords", [one(&fields, &record)]), [row]);
}

/// Changes a file of a running daemon and waits until it is reloaded or rejected.
fn reload(process: &Process, name: &str, contents: impl AsRef<[u8]>, line: &str) {
    process.wait_for_new_log(line, || {
        let _ = process.setup().clone().file(name, contents);
        process.signal(Signal::SIGUSR2);
    });
}

#[test]
fn a_reload_applies_to_all_addresses_and_loses_nothing() {
    let setup = with_geolocation(with_networks("src_as, src_host_country", ""), &[AMSTERDAM]);
    let process = start(&setup);
    let exporter = process.exporter("127.0.1.1");
    let send = |packets| exporter.send(&v5_of(&[web(1, 1, packets, packets * 10)]));
    send(1);
    process.wait_for_datagrams(1);
    reload(&process, "networks", "65009,10.0.0.0/8\n", "reloaded");
    send(10);
    process.wait_for_datagrams(2);
    let oslo = Record { country: "NO", ..AMSTERDAM };
    reload(&process, "city.mmdb", mmdb::city(&[oslo]), "reloaded");
    send(100);
    process.wait_for_datagrams(3);
    let row = |asn, country, packets| json!({"as_src": asn, "country_ip_src": country, "packets": packets, "bytes": packets * 10});
    let rows = without_event_type(process.stop().json("out.json"));
    assert_rows(rows, [row(65003, "NL", 1), row(65009, "NL", 10), row(65009, "NO", 100)]);
}

#[test]
fn a_list_of_ports_is_reloaded() {
    let process = start(&printing("src_port").more_config("ports_file: {dir}/ports").file("ports", "80\n"));
    let exporter = process.exporter("127.0.1.1");
    exporter.send(&v5_of(&[web(1, 1000, 1, 10)]));
    process.wait_for_datagrams(1);
    reload(&process, "ports", "1000\n", "reloaded");
    exporter.send(&v5_of(&[web(1, 1000, 2, 20)]));
    let row = |port, packets| json!({"port_src": port, "packets": packets, "bytes": packets * 10});
    assert_rows(without_event_type(process.stop().json("out.json")), [row(0, 1), row(1000, 2)]);
}

#[test]
fn an_invalid_file_leaves_the_previous_one_in_force() {
    let process = start(&with_networks("src_as", "ports_file: {dir}/ports").file("ports", "80\n"));
    let exporter = process.exporter("127.0.1.1");
    let _ = process.setup().clone().file("networks", "65009,10.0.0.0/8\n");
    reload(&process, "ports", "80\nhttp\n", "stays in force");
    assert!(process.log().contains("ports:2] invalid port"), "{}", process.log());
    exporter.send(&v5_of(&[web(1, 1, 1, 10)]));
    let rows = process.stop().json("out.json");
    assert_eq!((rows[0]["as_src"].clone(), sum(&rows, "packets")), (json!(65003), 1));
}
