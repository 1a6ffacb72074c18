//! Options data: sampling, names, and the exporter's own address.

use crate::support::{
    NOW, UPTIME, assert_rows, collected, printing, rows, template, v5_of, web, without_event_type,
};
use netflow::encode::{Message, field, v5, variable};
use netflow::template::{Field, Kind, Template, VARIABLE};
use serde_json::json;

fn options(id: u16, scopes: u16, fields: Vec<Field>) -> Template {
    Template::new(1, id, Kind::Options { scopes }, fields)
}

#[test]
fn sampled_flows_are_renormalized_if_configured() {
    // Mode 1, 1 in 100.
    let datagram = v5(0, NOW, UPTIME, 0x4000 | 100, &[web(1, 1024, 2, 300)]);
    assert_rows(
        rows("src_port, sampling_rate", [&datagram]),
        [json!({"port_src": 1024, "sampling_rate": 100, "packets": 2, "bytes": 300})],
    );
    let setup = printing("src_port, sampling_rate").more_config("nfacctd_renormalize: true");
    assert_rows(
        without_event_type(collected(&setup, [datagram]).json("out.json")),
        [json!({"port_src": 1024, "sampling_rate": 1, "packets": 200, "bytes": 30_000})],
    );
}

#[test]
fn sampling_rates_come_from_samplers_and_selectors() {
    // v9: sampler 5 samples 1 in 10; the second flow's sampler is unknown.
    let samplers = options(300, 1, vec![field(1, 4), field(48, 1), field(49, 1), field(50, 4)]);
    let flows = template(1, 256, vec![field(7, 2), field(48, 1), field(2, 4), field(1, 4)]);
    let v9 = Message::v9(1, 0, NOW, UPTIME)
        .templates(&[&samplers])
        .templates(&[&flows])
        .data(300, |w| _ = w.u32(0).u8(5).u8(2).u32(10))
        .records(256, 2, |w| _ = w.u16(1).u8(5).u32(3).u32(30).u16(2).u8(6).u32(4).u32(40))
        .finish();
    // IPFIX: selector 5 selects 1 packet and skips 9.
    let selectors = options(300, 1, vec![field(302, 2), field(305, 4), field(306, 4)]);
    let flows = template(1, 256, vec![field(7, 2), field(302, 2), field(2, 4), field(1, 4)]);
    let ipfix = Message::ipfix(1, 0, NOW)
        .templates(&[&selectors])
        .templates(&[&flows])
        .data(300, |w| _ = w.u16(5).u32(1).u32(9))
        .records(256, 2, |w| _ = w.u16(1).u16(5).u32(3).u32(30).u16(2).u16(6).u32(4).u32(40))
        .finish();
    for datagram in [v9, ipfix] {
        let setup = printing("src_port").more_config("nfacctd_renormalize: true");
        assert_rows(
            without_event_type(collected(&setup, [datagram]).json("out.json")),
            [
                json!({"port_src": 1, "packets": 30, "bytes": 300}),
                json!({"port_src": 2, "packets": 4, "bytes": 40}),
            ],
        );
    }
}

#[test]
fn interfaces_vrfs_and_applications_have_names() {
    let interfaces = options(400, 1, vec![field(10, 4), field(82, VARIABLE)]);
    let vrfs = options(401, 1, vec![field(234, 4), field(236, 8)]);
    let applications = options(402, 1, vec![field(95, 4), field(96, 8)]);
    let flows =
        template(1, 256, vec![field(10, 4), field(14, 4), field(234, 4), field(95, 4), field(2, 4), field(1, 4)]);
    let message = Message::ipfix(1, 0, NOW)
        .templates(&[&interfaces, &vrfs, &applications])
        .templates(&[&flows])
        .records(400, 2, |w| {
            w.u32(7);
            variable(w, b"xe-0/0/7");
            w.u32(9);
            variable(w, b"ae9");
        })
        .data(401, |w| _ = w.u32(20).put(b"red\0\0\0\0\0"))
        .data(402, |w| _ = w.u32(0x0300_0050).put(b"http\0\0\0\0"))
        .data(256, |w| _ = w.u32(7).u32(9).u32(20).u32(0x0300_0050).u32(10).u32(1000))
        .finish();
    assert_rows(
        rows("in_iface_name, out_iface_name, vrf_name, class", [message]),
        [json!({
            "class": "http", "iface_name_in": "xe-0/0/7", "iface_name_out": "ae9", "vrf_name": "red",
            "packets": 10, "bytes": 1000,
        })],
    );
}

#[test]
fn a_relayed_exporter_is_known_by_its_own_address() {
    let fields = vec![field(130, 4), field(7, 2), field(2, 4), field(1, 4)];
    let message = Message::ipfix(1, 0, NOW)
        .templates(&[&template(1, 256, fields)])
        .data(256, |w| _ = w.put(&[192, 0, 2, 99]).u16(1).u32(2).u32(3))
        .finish();
    assert_rows(rows("peer_src_ip", [&message]), [json!({"peer_ip_src": "192.0.2.99", "packets": 2, "bytes": 3})]);
    let setup = printing("peer_src_ip").more_config("nfacctd_ignore_exporter_address: true");
    assert_rows(
        without_event_type(collected(&setup, [message]).json("out.json")),
        [json!({"peer_ip_src": "127.0.1.1", "packets": 2, "bytes": 3})],
    );
}

#[test]
fn v5_header_fields_are_in_the_row() {
    let mut datagram = v5_of(&[web(1, 1024, 2, 300)]);
    // flow_sequence, engine type and id.
    datagram[16..22].copy_from_slice(&[0, 0, 1, 0, 1, 2]);
    assert_rows(
        rows("export_proto_version, export_proto_seqno, export_proto_sysid", [datagram]),
        [json!({
            "export_proto_version": 5, "export_proto_seqno": 256, "export_proto_sysid": 2, "packets": 2, "bytes": 300,
        })],
    );
}
