//! Databases and brokers with TLS and authentication.

use crate::clients::{Queue, added, collector, expected, json_of, kafka_messages_by, login, send};
use crate::startup_errors::start_error;
use crate::stores::{counter_collector, counters_arrive};
use crate::support::start;
use rdkafka::config::ClientConfig;
use std::net::SocketAddr;
use testkit::Setup;
use testkit::certificates::Authority;
use testkit::servers::{self, Address, Kafka, LoginProxy, RabbitMq, TlsProxy, missing};

/// A collector that sends to an exchange of RabbitMQ over TLS.
fn over_tls(server: &RabbitMq, exchange: &str, lines: &str) -> Setup {
    let (host, port) = (server.address().host, server.port_for_tls());
    let lines = format!(
        "amqp_host: {host}\namqp_port: {port}\namqp_exchange: {exchange}\namqp_persistent_msg: true\n{lines}"
    );
    collector("amqp", &lines)
        .file("ca.pem", server.authority().pem())
        .file("stranger.pem", Authority::new().pem())
        .file("empty.pem", "")
}

#[test]
fn rabbitmq_gets_what_was_sent_over_tls() {
    let Some(server) = servers::rabbitmq().and_then(|shared| shared.private()) else { return };
    let exchange = servers::name("exchange");
    let queue = Queue::new(&server.address(), &exchange, "acct");
    let process = start(&over_tls(server, &exchange, "amqp_conn_ca_file: {dir}/ca.pem"));
    send(&process, 2, |_| {});
    let finished = process.stop();
    assert_eq!(added(json_of(&queue.messages())), expected(2), "{}", finished.log);
}

#[test]
fn tls_errors_of_rabbitmq_are_named_at_the_start() {
    let Some(server) = servers::rabbitmq().and_then(|shared| shared.private()) else { return };
    let log = |lines: &str| start_error(&over_tls(server, "exchange", lines));
    let stranger = log("amqp_conn_ca_file: {dir}/stranger.pem");
    assert!(stranger.contains("amqp_conn_ca_file[s]: ") && stranger.contains("not trusted"), "{stranger}");
    let system = log(&format!("amqp_host: amqps://{}", server.address().host));
    assert!(system.contains("amqp_conn_ca_file[s]: "), "{system}");
    let empty = log("amqp_conn_ca_file: {dir}/empty.pem");
    assert!(empty.contains("amqp_conn_ca_file[s]: ") && empty.contains("contains no certificate"), "{empty}");
    let password = log("amqp_conn_ca_file: {dir}/ca.pem\namqp_passwd: wrong");
    assert!(password.contains("amqp_passwd[s]: ") && !password.contains("wrong"), "{password}");
    let plain = log(&format!("amqp_conn_ca_file: {{dir}}/ca.pem\namqp_port: {}", server.address().port));
    assert!(plain.contains("amqp_port[s]: the broker does not speak TLS"), "{plain}");
    let counters = counter_collector(&format!(
        "sfacctd_counter_amqp_host: {}
         sfacctd_counter_amqp_port: {}
         sfacctd_counter_amqp_routing_key: counters
         sfacctd_counter_amqp_conn_ca_file: {{dir}}/stranger.pem",
        server.address().host,
        server.port_for_tls()
    ))
    .file("stranger.pem", Authority::new().pem());
    let log = start_error(&counters);
    assert!(log.contains("sfacctd_counter_amqp_conn_ca_file: "), "{log}");
}

#[test]
fn rabbitmq_authenticates_clients_by_certificate() {
    let Some(server) = RabbitMq::start_with_authentication() else { return missing("PMACCT_TEST_AMQP") };
    let (known, unknown) = (server.authority().certify("client"), Authority::new().certify("client"));
    let queue = Queue::new(&server.address(), "pmacct", "acct");
    let setup = |lines: &str| {
        over_tls(&server, "pmacct", "amqp_conn_ca_file: {dir}/ca.pem")
            .more_config(lines)
            .file("cert.pem", &known.certificate)
            .file("key.pem", &known.key)
            .file("other-cert.pem", &unknown.certificate)
            .file("other-key.pem", &unknown.key)
    };
    let process = start(&setup("amqp_conn_cert_file: {dir}/cert.pem\namqp_conn_key_file: {dir}/key.pem"));
    send(&process, 2, |_| {});
    let finished = process.stop();
    assert_eq!(added(json_of(&queue.messages())), expected(2), "{}", finished.log);
    let log = start_error(&setup(""));
    assert!(log.contains("amqp_conn_cert_file[s]: the broker does not trust the client"), "{log}");
    let log =
        start_error(&setup("amqp_conn_cert_file: {dir}/other-cert.pem\namqp_conn_key_file: {dir}/other-key.pem"));
    assert!(log.contains("amqp_conn_cert_file[s]: the broker does not trust the client"), "{log}");
    let log = start_error(&setup("amqp_conn_cert_file: {dir}/cert.pem\namqp_conn_key_file: {dir}/other-key.pem"));
    assert!(log.contains("amqp_conn_cert_file[s]: "), "{log}");
    let log = start_error(&setup("amqp_conn_cert_file: {dir}/cert.pem"));
    assert!(log.contains("amqp_conn_key_file[s]: "), "{log}");
}

/// A collector that sends to a topic with these options of librdkafka.
fn to_kafka(address: &Address, topic: &str, options: &[(&str, &str)]) -> Setup {
    let Address { host, port, .. } = address;
    let lines = format!(
        "kafka_broker_host: {host}\nkafka_broker_port: {port}\nkafka_topic: {topic}\n\
         kafka_config_file: {{dir}}/kafka.conf"
    );
    let setup = collector("kafka", &lines);
    let dir = setup.path("").display().to_string();
    let option = |(key, value): &(&str, &str)| format!("global, {key}, {}\n", value.replace("{dir}/", &dir));
    let options: String = options.iter().map(option).collect();
    setup.file("kafka.conf", &options)
}

#[test]
fn kafka_gets_what_was_sent_over_tls() {
    let proxy = TlsProxy::address();
    let Some(server) = Kafka::start_behind_proxy(proxy) else { return missing("PMACCT_TEST_KAFKA") };
    let authority = Authority::new();
    let host = proxy.ip().to_string();
    let (own, known) = (authority.certify(&host), authority.certify("client"));
    server.create_topic("acct");
    let _proxy = TlsProxy::start(proxy, server.listens(), &own, Some(authority.pem()));
    let address = Address { host, port: proxy.port(), ..server.address() };
    let setup = |options: &[(&str, &str)]| {
        to_kafka(&address, "acct", options)
            .file("ca.pem", authority.pem())
            .file("stranger.pem", Authority::new().pem())
            .file("cert.pem", &known.certificate)
            .file("key.pem", &known.key)
    };
    let tls = ("security.protocol", "ssl");
    let trusted = ("ssl.ca.location", "{dir}/ca.pem");
    let (cert, key) = (("ssl.certificate.location", "{dir}/cert.pem"), ("ssl.key.location", "{dir}/key.pem"));
    let process = start(&setup(&[tls, trusted, cert, key]));
    send(&process, 2, |_| {});
    let finished = process.stop();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", proxy.to_string()).set(tls.0, tls.1).set("ssl.ca.pem", authority.pem());
    config.set("ssl.certificate.pem", &known.certificate).set("ssl.key.pem", &known.key);
    assert_eq!(added(json_of(&kafka_messages_by(config, "acct"))), expected(2), "{}", finished.log);
    let log = start_error(&setup(&[tls, ("ssl.ca.location", "{dir}/stranger.pem"), cert, key]));
    assert!(log.contains("kafka_config_file[s]: ") && log.contains("certificate verify failed"), "{log}");
    let log = start_error(&setup(&[tls, trusted]));
    assert!(log.contains("kafka_config_file[s]: ") && log.contains("certificate required"), "{log}");
}

#[test]
fn certificates_of_other_hosts_are_rejected() {
    let authority = Authority::new();
    let other = authority.certify("192.0.2.1");
    let proxy = |server| TlsProxy::start(TlsProxy::address(), server, &other, None);
    if let Some(server) = servers::rabbitmq().and_then(|shared| shared.private()) {
        let Address { host, port, .. } = server.address();
        let proxy = proxy(SocketAddr::new(host.parse().unwrap(), port));
        let (host, port) = (proxy.listens().ip(), proxy.listens().port());
        let setup = collector("amqp", &format!("amqp_host: {host}\namqp_port: {port}"))
            .more_config("amqp_conn_ca_file: {dir}/authority.pem")
            .file("authority.pem", authority.pem());
        let log = start_error(&setup);
        assert!(log.contains("amqp_host[s]: ") && log.contains("192.0.2.1"), "{log}");
    }
    if let Some(server) = Kafka::start() {
        let proxy = proxy(server.listens());
        let (host, port) = (proxy.listens().ip().to_string(), proxy.listens().port());
        let options = [("security.protocol", "ssl"), ("ssl.ca.location", "{dir}/authority.pem")];
        let setup = to_kafka(&Address { host, port, ..server.address() }, "acct", &options)
            .file("authority.pem", authority.pem());
        let log = start_error(&setup);
        assert!(log.contains("kafka_config_file[s]: ") && log.contains("certificate verify failed"), "{log}");
    }
}

#[test]
fn sflow_counters_go_to_rabbitmq_over_tls() {
    let Some(server) = servers::rabbitmq().and_then(|shared| shared.private()) else { return };
    let exchange = servers::name("exchange");
    let queue = Queue::new(&server.address(), &exchange, "counters.10_99_0_1");
    let setup = counter_collector(&format!(
        "sfacctd_counter_amqp_host: {}
         sfacctd_counter_amqp_port: {}
         sfacctd_counter_amqp_exchange: {exchange}
         sfacctd_counter_amqp_persistent_msg: true
         sfacctd_counter_amqp_routing_key: counters.$peer_src_ip
         sfacctd_counter_amqp_conn_ca_file: {{dir}}/ca.pem",
        server.address().host,
        server.port_for_tls()
    ));
    counters_arrive(&setup.file("ca.pem", server.authority().pem()), &|| queue.messages());
}

#[test]
fn kafka_requires_authentication() {
    let Some(server) = Kafka::start_with_authentication() else { return missing("PMACCT_TEST_KAFKA") };
    for (mechanism, said) in [
        ("SCRAM-SHA-256", "SASL SCRAM authentication failed"),
        ("SCRAM-SHA-512", "SASL SCRAM authentication failed"),
        ("PLAIN", "SASL PLAIN"),
    ] {
        let options = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", "nobody"),
            ("sasl.password", "open sesame"),
        ];
        let log = start_error(&to_kafka(&server.address(), "acct", &options));
        assert!(log.contains("kafka_config_file[s]: ") && log.contains(said), "{log}");
        assert!(!log.contains("sesame"), "{log}");
    }
}

#[test]
fn kafka_gets_what_an_authenticated_user_sends_over_tls() {
    let (proxy, login) = (TlsProxy::address(), LoginProxy::address());
    let Some(server) = Kafka::start_behind_proxy(proxy) else { return missing("PMACCT_TEST_KAFKA") };
    server.create_topic("acct");
    let authority = Authority::new();
    let host = proxy.ip().to_string();
    let login = LoginProxy::start(login, server.listens(), "pmacct", "open sesame");
    let _proxy = TlsProxy::start(proxy, login.listens(), &authority.certify(&host), None);
    let address = Address { host, port: proxy.port(), ..server.address() };
    for (rounds, mechanism) in [(1, "PLAIN"), (2, "SCRAM-SHA-256"), (3, "SCRAM-SHA-512")] {
        let options = [
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", "{dir}/ca.pem"),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", "pmacct"),
        ];
        let setup = |password: &'static str| {
            let options = [options.as_slice(), &[("sasl.password", password)]].concat();
            to_kafka(&address, "acct", &options).file("ca.pem", authority.pem())
        };
        let process = start(&setup("open sesame"));
        send(&process, 1, |_| {});
        let finished = process.stop();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", proxy.to_string()).set("security.protocol", "sasl_ssl");
        config.set("ssl.ca.pem", authority.pem()).set("sasl.mechanisms", mechanism);
        config.set("sasl.username", "pmacct").set("sasl.password", "open sesame");
        let messages = json_of(&kafka_messages_by(config, "acct"));
        assert_eq!(messages.len(), 30 * rounds, "{mechanism}: {}", finished.log);
        let log = start_error(&setup("open barley"));
        assert!(log.contains("kafka_config_file[s]: ") && log.contains("wrong user or password"), "{log}");
        assert!(!log.contains("barley"), "{log}");
    }
}

#[test]
fn databases_without_tls_are_named_at_the_start() {
    let setup = |kind: &str, address: &Address| {
        collector(kind, &login(address))
            .more_config("sql_table: acct\nsql_conn_ca_file: {dir}/ca.pem")
            .file("ca.pem", Authority::new().pem())
    };
    let mut setups = Vec::new();
    setups.extend(servers::postgres().map(|server| setup("pgsql", &server.address)));
    setups.extend(servers::mariadb().map(|server| setup("mysql", &server.address)));
    for setup in setups {
        let log = start_error(&setup);
        assert!(log.contains("sql_conn_ca_file[s]: "), "{log}");
    }
}
