//! The metrics endpoint: `http_listen`.
#![expect(clippy::unwrap_used, reason = "a test whose client fails has failed")]

use crate::packets::in_namespace;
use crate::support::{NOW, nfacctd, start, v5_of, web};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::traffic::{Flow, Flows, Stream, Version};
use testkit::{Process, Setup, eventually};

/// Prints families as JSON; fails on invalid input.
const PARSER: &str = "
import json, sys
if sys.argv[1] == 'openmetrics':
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
families = [[f.name, f.type, f.unit, f.documentation, len(f.samples)] for f in parse(sys.stdin.read())]
json.dump(families, sys.stdout)
";

/// A Python with the package prometheus-client; reports when there is none.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-python/bin/python");
    let named = std::env::var_os("PMACCT_TEST_PYTHON").map_or(target, PathBuf::from);
    let has_it = Command::new(&named).args(["-c", "import prometheus_client"]).stderr(Stdio::null()).status();
    if has_it.is_ok_and(|status| status.success()) {
        return Some(named);
    }
    let is_required = std::env::var("PMACCT_TEST_SERVERS").is_ok_and(|value| value == "required");
    assert!(!is_required, "{} has no package prometheus-client", named.display());
    eprintln!("skipped: {} has no package prometheus-client", named.display());
    None
}

/// A family as Prometheus's own parser sees it: name, type, unit, help, number of samples.
type Family = (String, String, String, String, usize);

/// The families of a page; `None` if the parser is not installed.
fn parsed(format: &str, page: &str) -> Option<Vec<Family>> {
    let mut parser = Command::new(python()?)
        .args(["-c", PARSER, format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    parser.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{page}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Sends a request and returns status, header and body.
fn exchange(mut stream: impl Read + Write, path: &str, accept: &str) -> (u16, String, String) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

/// Sends a request to the endpoint, which listens on the daemon's address and port over TCP.
fn get(process: &Process, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(process.setup().address()).unwrap();
    let (status, _, body) = exchange(stream, path, "*/*");
    (status, body)
}

/// Waits until all plugins are ready, which they are when their threads run.
fn wait_until_ready(process: &Process) {
    eventually("readiness", || (get(process, "/readyz") == (200, "ready\n".to_owned())).then_some(()));
}

/// Samples by name and labels, as the page has them.
fn scrape(process: &Process) -> BTreeMap<String, f64> {
    let (status, page) = get(process, "/metrics");
    assert_eq!(status, 200);
    assert!(page.ends_with("# EOF\n"), "{page}");
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn endpoint(lines: &str) -> Setup {
    nfacctd("http_listen: {ip}:{port}").more_config(lines)
}

fn printing() -> Setup {
    endpoint(
        "nfacctd_workers: 2
         plugins: print[p], memory[m]
         aggregate: src_host, dst_port
         print_output[p]: json
         print_output_file[p]: {dir}/out.json
         imt_path[m]: {dir}/m.sock",
    )
}

/// The samples that correspond to lines of statistics.
fn expected(lines: &[String]) -> Vec<(String, f64)> {
    let mut samples = Vec::new();
    for line in lines {
        let pairs: Vec<(&str, &str)> = line.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        let [(who, name), counters @ ..] = &pairs[..] else { continue };
        let labels = match *who {
            "worker" => format!("worker=\"{name}\""),
            "plugin" => {
                let (name, kind) = name.split_once('/').unwrap();
                format!("plugin=\"{name}\",type=\"{kind}\"")
            }
            _ => continue,
        };
        for (key, value) in counters {
            let value: f64 = value.parse().unwrap();
            let (family, reason) = match key.split_once('[') {
                Some((family, reason)) => (family, format!(",reason=\"{}\"", reason.trim_end_matches(']'))),
                None => (*key, String::new()),
            };
            samples.push((format!("pmacct_{family}{{{labels}{reason}}}"), value));
        }
    }
    samples
}

#[test]
fn a_scrape_equals_the_statistics() {
    let process = start(&printing());
    let flows: Vec<Flow> = Flows::new(5).take(2000).collect();
    let (mut v9, mut ipfix) = (Stream::new(Version::V9, 1, NOW), Stream::new(Version::Ipfix, 9, NOW));
    let (one, two) = (v9.datagrams(&flows), ipfix.datagrams(&flows));
    process.exporter("127.0.1.1").send_all(&one);
    process.exporter("127.0.1.2").send_all(&two);
    process.exporter("127.0.1.3").send(b"\0\x63garbage");
    let sent = (one.len() + two.len() + 1) as u64;
    process.wait_for_datagrams(sent);
    // The memory plugin collects tables every five seconds; after that all counters are stable.
    eventually("the tables of workers", || {
        let samples = scrape(&process);
        let waiting = samples.get("pmacct_table_aggregates{plugin=\"m\",type=\"memory\"}")?;
        let written = samples.get("pmacct_aggregates_written_total{plugin=\"m\",type=\"memory\"}")?;
        (*waiting > 0.0 && *written > 0.0).then_some(())
    });
    let (report, samples) = eventually("a scrape between two reports that are the same", || {
        let before = process.statistics();
        // Pages are cached for a tenth of a second.
        std::thread::park_timeout(Duration::from_millis(200));
        let samples = scrape(&process);
        let after = process.statistics();
        let counted = |lines: &[String]| expected(lines);
        (counted(&before.lines) == counted(&after.lines)).then_some((after, samples))
    });
    let wanted = expected(&report.lines);
    assert!(wanted.len() > 25, "{}", report.lines.join("\n"));
    for (name, value) in wanted {
        let total = name.replacen('{', "_total{", 1);
        let found = samples.get(&total).or_else(|| samples.get(&name));
        assert_eq!(found, Some(&value), "{name}");
    }
    let received = samples.iter().filter(|(name, _)| name.starts_with("pmacct_datagrams_received_total"));
    assert_eq!(received.map(|(_, value)| value).sum::<f64>(), sent as f64);
    assert_eq!(samples.iter().find(|(name, _)| name.starts_with("pmacct_templates{")).map(|_| ()), Some(()));
    let templates = samples.iter().filter(|(name, _)| name.starts_with("pmacct_templates{"));
    let learned = samples.iter().filter(|(name, _)| name.starts_with("pmacct_templates_learned_total{"));
    assert_eq!(templates.map(|(_, value)| value).sum::<f64>(), learned.map(|(_, value)| value).sum::<f64>());
    // Workers report exporters at least every ten seconds.
    let of = |exporter: &str| format!("pmacct_exporter_datagrams_received_total{{exporter=\"{exporter}\"}}");
    eventually("what exporters have sent", || {
        let samples = scrape(&process);
        let found = [of("127.0.1.1"), of("127.0.1.2")].map(|name| samples.get(&name).copied());
        (found == [Some(one.len() as f64), Some(two.len() as f64)]).then_some(())
    });
    process.stop();
}

#[test]
fn pages_parse_with_the_prometheus_client() {
    let process = start(&printing());
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 2, 3, 4)]));
    process.wait_for_datagrams(1);
    wait_until_ready(&process);
    let connect = || TcpStream::connect(process.setup().address()).unwrap();
    // Their series appear with the workers' first report, which must not come between the two pages.
    eventually("the series of exporters", || {
        exchange(connect(), "/metrics", "text/plain").2.contains("pmacct_exporter_").then_some(())
    });
    let (status, head, page) =
        exchange(connect(), "/metrics", "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let Some(families) = parsed("openmetrics", &page) else { return };
    assert!(families.len() > 80, "{}", families.len());
    for (name, kind, unit, help, samples) in &families {
        assert!(!help.is_empty() && *samples > 0, "{name}");
        assert!(["counter", "gauge", "info"].contains(&kind.as_str()), "{name}: {kind}");
        for wanted in ["bytes", "seconds"] {
            assert_eq!(name.ends_with(&format!("_{wanted}")), unit == wanted, "{name}: {unit}");
        }
    }
    let (_, head, page) = exchange(connect(), "/metrics", "text/plain;version=0.0.4");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let older = parsed("text", &page).unwrap();
    assert_eq!(older.len(), families.len());
    process.stop();
}

#[test]
fn hostile_http_clients_do_not_affect_scrapes_under_load() {
    let process = start(&printing());
    let address = process.setup().address();
    let done = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        // Clients that send nothing, send slowly, or send garbage.
        for number in 0..3 {
            let done = &done;
            scope.spawn(move || {
                let mut held = Vec::new();
                while !done.load(Ordering::Acquire) {
                    let Ok(mut stream) = TcpStream::connect(address) else { continue };
                    let request: &[u8] = match number {
                        0 => b"",
                        1 => b"GET /metrics HTTP/1.1\r\nX: ",
                        _ => b"\x16\x03\x01\r\n\0\xff\r\n\r\n",
                    };
                    let _ = stream.write_all(request);
                    held.push(stream);
                    if held.len() > 100 {
                        held.clear();
                    }
                    std::thread::park_timeout(Duration::from_millis(2));
                }
            });
        }
        let flows: Vec<Flow> = Flows::new(7).take(500).collect();
        let mut stream = Stream::new(Version::V9, 1, NOW);
        let exporter = process.exporter("127.0.1.1");
        let mut sent = 0;
        let mut before = 0.0;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            let datagrams = stream.datagrams(&flows);
            exporter.send_all(&datagrams);
            sent += datagrams.len() as u64;
            let asked = Instant::now();
            let samples = scrape(&process);
            // A stalled client is disconnected after five seconds.
            assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
            let mut received = 0.0;
            for worker in 0..2 {
                let value = |name: &str| samples[&format!("pmacct_{name}_total{{worker=\"{worker}\"}}")];
                let rejected: f64 = samples
                    .iter()
                    .filter(|(name, _)| {
                        name.starts_with(&format!("pmacct_datagrams_rejected_total{{worker=\"{worker}\""))
                    })
                    .map(|(_, value)| value)
                    .sum();
                assert_eq!(value("datagrams_received"), value("datagrams_decoded") + rejected);
                received += value("datagrams_received");
            }
            assert!(received >= before, "{received} after {before}");
            before = received;
        }
        done.store(true, Ordering::Release);
        sent
    });
    process.wait_for_datagrams(sent).assert_all_accounted();
    let asked = Instant::now();
    let finished = process.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(!finished.log.contains("panic"), "{}", finished.log);
}

#[test]
fn a_daemon_is_ready_with_its_store_or_a_spool() {
    let store = |lines: &str| {
        endpoint(
            "plugins: print[p], pgsql[w]
             aggregate: src_host
             print_output_file[p]: {dir}/out
             sql_host[w]: 127.0.0.1
             sql_port[w]: 1
             sql_refresh_time[w]: 1
             sql_table[w]: acct
             plugin_exit_timeout[w]: 1",
        )
        .more_config(lines)
    };
    let process = start(&store(""));
    assert_eq!(get(&process, "/healthz"), (200, "alive\n".to_owned()));
    eventually("readiness of all but the database", || {
        let (status, reasons) = get(&process, "/readyz");
        let is_alone = reasons.starts_with("plugin w/pgsql: ") && reasons.lines().count() == 1;
        (status == 503 && is_alone).then_some(())
    });
    process.stop();
    let process = start(&store("plugin_spool_dir[w]: {dir}/spool"));
    wait_until_ready(&process);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 2, 3, 4)]));
    let name = |gauge: &str| format!("pmacct_{gauge}{{plugin=\"w\",type=\"pgsql\"}}");
    eventually("something in the spool", || {
        let samples = scrape(&process);
        let is_spooled = samples[&name("spool_bytes")] > 0.0 && samples[&name("queue_bytes")] == 0.0;
        (is_spooled && samples[&name("queue_batches")] == 1.0 && samples[&name("sink_up")] == 0.0).then_some(())
    });
    process.stop();
}

#[test]
fn the_time_of_the_last_write_is_shown() {
    let process = start(&endpoint(
        "plugins: print[p]
         aggregate: src_host
         print_output_file[p]: {dir}/out
         print_refresh_time: 1",
    ));
    let gauge = "pmacct_last_write_timestamp_seconds{plugin=\"p\",type=\"print\"}";
    assert_eq!(scrape(&process)[gauge], 0.0);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 2, 3, 4)]));
    let written = eventually("a write", || Some(scrape(&process)[gauge]).filter(|at| *at > 0.0));
    assert!((written - f64::from(crate::support::clock())).abs() < 60.0, "{written}");
    process.stop();
}

#[test]
fn a_unix_socket_is_removed_at_the_end_even_when_confined() {
    use std::os::unix::fs::PermissionsExt;
    let setup = nfacctd(
        "http_listen: {dir}/http.sock
         http_listen_mode: 600
         landlock: true
         plugins: print[p]
         aggregate: src_host
         print_output_file[p]: {dir}/flows/out",
    );
    let process = start(&setup);
    let path = setup.path("http.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (status, _, page) = exchange(UnixStream::connect(&path).unwrap(), "/metrics", "*/*");
    assert!(status == 200 && page.contains("process_resident_memory_bytes "), "{page}");
    process.stop();
    assert!(!path.exists());
}

#[test]
fn the_address_is_bound_before_privileges_are_dropped() {
    if !is_root() {
        eprintln!("skipped: only root may bind a low port and change the user");
        return;
    }
    let setup = nfacctd(
        "http_listen: {ip}:1
         run_as_user: nobody
         plugins: memory[m]
         aggregate: src_host
         imt_path: {dir}/m.sock",
    );
    let process = start(&setup);
    let stream = TcpStream::connect((setup.address().ip(), 1)).unwrap();
    let (status, _, page) = exchange(stream, "/metrics", "*/*");
    assert!(status == 200 && page.contains("process_resident_memory_bytes "), "{page}");
    process.stop();
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find(|line| line.starts_with("Uid:"))
        .is_some_and(|line| line.split_whitespace().nth(2) == Some("0"))
}

#[test]
fn an_invalid_address_is_found_by_check_and_one_in_use_at_start() {
    let wrong = nfacctd("http_listen: localhost:9980\nplugins: print").arguments(["--check"]).run();
    assert!(
        !wrong.status.success() && wrong.log.contains("http_listen: 'localhost:9980' is not a valid address"),
        "{}",
        wrong.log
    );
    let good = nfacctd("http_listen: [::1]:9980\nplugins: print").arguments(["--check"]).run();
    assert!(good.status.success(), "{}", good.log);
    let setup = printing();
    let _other = std::net::TcpListener::bind(setup.address()).unwrap();
    let in_use = setup.run();
    assert!(!in_use.status.success() && in_use.log.contains("http_listen: 127."), "{}", in_use.log);
}

#[test]
fn warns_of_an_address_that_others_can_reach() {
    let process = start(&nfacctd(
        "http_listen: 0.0.0.0:0
         plugins: print[p]
         aggregate: src_host
         print_output_file[p]: {dir}/out",
    ));
    process.wait_for_log("http_listen: 0.0.0.0:0: other machines can read the metrics");
    process.stop();
}

#[test]
fn the_documented_configuration_runs() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap();
    let (_, rest) = document.split_once("```conf\n").unwrap();
    let (config, _) = rest.split_once("```").unwrap();
    let config = config
        .replace("nfacctd_port: 2100", "nfacctd_ip: {ip}\nnfacctd_port: {port}")
        .replace("127.0.0.1:9980", "{ip}:{port}")
        .replace("/tmp/", "{dir}/");
    let process = start(&Setup::new(env!("CARGO_BIN_EXE_nfacctd")).config(&config));
    wait_until_ready(&process);
    assert!(scrape(&process).contains_key("pmacct_datagrams_received_total{worker=\"0\"}"));
    let finished = process.stop();
    assert!(!finished.log.contains("WARN"), "{}", finished.log);
}

#[test]
fn other_daemons_have_the_endpoint() {
    let process = Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
        .config(
            "sfacctd_ip: {ip}
             sfacctd_port: {port}
             http_listen: {ip}:{port}
             plugins: print[p]
             aggregate: src_host
             print_output_file[p]: {dir}/out",
        )
        .start();
    let samples = eventually("the endpoint", || {
        TcpStream::connect(process.setup().address()).is_ok().then(|| scrape(&process))
    });
    assert!(samples.keys().any(|name| name.starts_with("pmacct_build_info{program=\"sfacctd\"")), "{samples:?}");
    process.stop();
}

#[test]
fn interface_metrics_match_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "http_listen: 127.0.0.1:9980\npcap_interface: lo\npcap_direction: in\npcap_filter: udp dst port 9999\n\
         plugins: print\naggregate: dst_port\nprint_output_file: {}\n",
        path("out")
    );
    std::fs::write(path("conf"), config).unwrap();
    let script = format!(
        r#"ip link set lo up
        {program} -f {config} 2> {log} & daemon=$!
        pause() {{ sleep 0.1; }}
        for n in $(seq 200); do grep -q 'capturing on interface=lo' {log} && break; pause; done
        for n in $(seq 50); do echo 1234567 > /dev/udp/127.0.0.1/9999 || true; done
        # Workers report interfaces every ten seconds at most.
        for n in $(seq 300); do
            exec 3<> /dev/tcp/127.0.0.1/9980
            printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
            cat <&3 > {page}
            exec 3>&-
            grep -qE '^pmacct_interface_packets_received_total.* (50|100)$' {page} && break
            sleep 0.1
        done
        kill -INT $daemon; wait $daemon"#,
        program = env!("CARGO_BIN_EXE_pmacctd"),
        config = path("conf"),
        log = path("log"),
        page = path("page"),
    );
    if in_namespace(&script).is_some() {
        let page = std::fs::read_to_string(path("page")).unwrap();
        for line in [
            "pmacct_interface_packets_dropped_total{interface=\"lo\",direction=\"in\"} 0",
            "pmacct_packets_received_total{worker=\"0\"} 50",
        ] {
            assert!(page.lines().any(|known| known == line), "{line}\n{page}");
        }
        // On the loopback interface, kernels count each packet in both directions or in the captured one.
        let captured = "pmacct_interface_packets_received_total{interface=\"lo\",direction=\"in\"}";
        let is_seen = |line: &str| line == format!("{captured} 50") || line == format!("{captured} 100");
        assert!(page.lines().any(is_seen), "{page}");
    }
}
