//! Several collectors as one: templates that travel between them.
#![cfg(feature = "kafka")]

use crate::support::{NOW, UPTIME, assert_rows, printing, start, template, without_event_type};
use netflow::encode::{Message, field};
use serde_json::json;
use testkit::eventually;
use testkit::servers::{self, Kafka, Shared};

/// The keys of a topic for templates.
fn templates_topic(kafka: &Shared<Kafka>, topic: &str) -> String {
    let (host, port) = (&kafka.address.host, kafka.address.port);
    format!(
        "nfacctd_templates_kafka_topic: {topic}
         nfacctd_templates_kafka_broker_host: {host}
         nfacctd_templates_kafka_broker_port: {port}"
    )
}

#[test]
fn a_template_that_one_collector_learned_decodes_the_data_at_another() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("templates");
    kafka.create_topic(&topic);
    let collector = || start(&printing("peer_src_ip, src_port").more_config(&templates_topic(kafka, &topic)));
    let first = collector();
    let second = collector();
    let short = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let announce = |short| Message::v9(1, 0, NOW, UPTIME).templates(&[short]).finish();
    let data = |port| Message::v9(1, 0, NOW, UPTIME).data(256, |w| _ = w.u16(port).u32(1).u32(10)).finish();
    // The data wait until the template comes, and then those that follow are decoded at once.
    second.exporter("127.0.1.1").send(&data(7));
    second.wait_for_datagrams(1);
    first.exporter("127.0.1.1").send(&announce(&short));
    eventually("the template", || (second.statistics().value("records_decoded") == 1).then_some(()));
    second.exporter("127.0.1.1").send(&data(8));
    // Another exporter with the same id has none.
    second.exporter("127.0.1.2").send(&data(9));
    second.wait_for_datagrams(3);
    // A collector that starts later reads what is in the topic.
    let third = collector();
    third.wait_for_log("has 1 templates");
    third.exporter("127.0.1.1").send(&data(10));
    eventually("the template", || (third.statistics().value("records_decoded") == 1).then_some(()));
    // A template that changes at one collector changes at those that know the exporter.
    let long = template(1, 256, vec![field(8, 4), field(7, 2), field(2, 4), field(1, 4)]);
    first.exporter("127.0.1.1").send(&announce(&long));
    eventually("the change", || (second.statistics().value("templates_shared") == 2).then_some(()));
    let changed = Message::v9(1, 0, NOW, UPTIME);
    let changed = changed.data(256, |w| _ = w.u32(1).u16(11).u32(1).u32(10)).finish();
    second.exporter("127.0.1.1").send(&changed);
    let report = second.wait_for_datagrams(4);
    assert_eq!((report.value("records_decoded"), report.value("sets_pending")), (3, 1));
    assert!(second.log().contains("templates_kafka=1 "), "{}", second.log());
    let row = |port| json!({"peer_ip_src": "127.0.1.1", "port_src": port, "packets": 1, "bytes": 10});
    assert_rows(without_event_type(second.stop().json("out.json")), [row(7), row(8), row(11)]);
    assert_rows(without_event_type(third.stop().json("out.json")), [row(10)]);
    first.stop();
}
