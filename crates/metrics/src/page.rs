//! The page of metrics: the table of counters, exporters, interfaces, the process and the build.

use crate::exporters::Values;
use crate::exposition::Exposition;
use crate::family::{BUILD, EXPORTERS, Family, INTERFACES, Kind};
use crate::format::Format;
use crate::monitor::{Interface, Monitor};
use crate::process;
use crate::source::Source;
use stats::{ROWS, Row, Scope, Snapshot};
use std::sync::Arc;

/// The prefix of metrics of the table.
const PREFIX: &str = "pmacct_";

/// The name of a counter's family in OpenMetrics.
pub(crate) fn name(row: &Row) -> String {
    format!("{PREFIX}{}", row.family.strip_suffix("_total").unwrap_or(row.family))
}

/// The type of a row's samples.
pub(crate) fn kind(row: &Row) -> Kind {
    match row.kind {
        stats::Kind::Total => Kind::Counter,
        stats::Kind::Gauge => Kind::Gauge,
    }
}

/// A snapshot with its labels.
struct Series {
    scope: Scope,
    labels: Vec<(&'static str, String)>,
    snapshot: Snapshot,
}

/// Everything as it is now.
pub(crate) fn write(monitor: &Monitor, format: Format) -> String {
    monitor.ask();
    let (series, exporters, interfaces, sources) = collect(monitor);
    let mut text = Exposition::new(format);
    write_counters(&mut text, &series);
    write_exporters(&mut text, &exporters);
    write_interfaces(&mut text, &interfaces);
    sources.iter().for_each(|source| write_source(&mut text, source.as_ref()));
    process::write(&mut text, monitor.started);
    let build = &monitor.build;
    let features = build.features.join(",");
    text.family(&BUILD);
    text.sample(&BUILD, [("program", build.program), ("version", build.version), ("features", &features)], 1);
    text.finish()
}

type Collected = (Vec<Series>, Vec<(String, Values)>, Vec<Interface>, Vec<Arc<dyn Source>>);

/// Collects the data, so that the lock is not held during formatting.
fn collect(monitor: &Monitor) -> Collected {
    let parts = monitor.parts();
    let workers = parts.workers.iter().enumerate().map(|(number, reader)| Series {
        scope: Scope::Worker,
        labels: vec![("worker", number.to_string())],
        snapshot: reader.snapshot(),
    });
    let plugins = parts.plugins.iter().map(|plugin| Series {
        scope: Scope::Plugin,
        labels: vec![("plugin", plugin.name.clone()), ("type", plugin.kind.to_owned())],
        snapshot: Snapshot::sum(&plugin.readers),
    });
    let series = workers.chain(plugins).collect();
    (series, parts.exporters.series(), parts.interfaces.clone(), parts.sources.clone())
}

fn write_counters(text: &mut Exposition, series: &[Series]) {
    let mut begun = "";
    for row in ROWS {
        let of_scope = || series.iter().filter(|series| series.scope == row.scope);
        if of_scope().next().is_none() {
            continue;
        }
        let (name, help) = (name(row), format!("{}.", row.family_help()));
        let family = Family { name: &name, kind: kind(row), unit: row.unit(), help: &help };
        if row.family != begun {
            begun = row.family;
            text.family(&family);
        }
        for series in of_scope() {
            let labels = series.labels.iter().map(|(name, value)| (*name, value.as_str()));
            let reason = (!row.reason.is_empty()).then_some(("reason", row.reason));
            text.sample(&family, labels.chain(reason), series.snapshot[row.counter]);
        }
    }
}

fn write_exporters(text: &mut Exposition, exporters: &[(String, Values)]) {
    for (number, family) in EXPORTERS.iter().enumerate().filter(|_| !exporters.is_empty()) {
        text.family(family);
        for (exporter, values) in exporters {
            let value = values.get(number).copied().unwrap_or_default();
            text.sample(family, [("exporter", exporter.as_str())], value);
        }
    }
}

fn write_interfaces(text: &mut Exposition, interfaces: &[Interface]) {
    let values: [fn(&Interface) -> u64; 2] = [|interface| interface.received, |interface| interface.dropped];
    for (family, value) in INTERFACES.iter().zip(values).filter(|_| !interfaces.is_empty()) {
        text.family(family);
        for interface in interfaces {
            let direction = interface.direction.map(|direction| ("direction", direction));
            let labels = [("interface", interface.name.as_str())].into_iter().chain(direction);
            text.sample(family, labels, value(interface));
        }
    }
}

/// A family without samples is not shown.
fn write_source(text: &mut Exposition, source: &dyn Source) {
    for (number, family) in source.families().iter().enumerate() {
        let mut begun = false;
        source.samples(number, &mut |labels, value| {
            if !std::mem::replace(&mut begun, true) {
                text.family(family);
            }
            text.sample(family, labels.iter().copied(), value);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::Exporter;
    use crate::monitor::{Build, Plugin};
    use stats::{Counter, Counters};
    use std::collections::HashSet;

    fn monitor() -> Monitor {
        let build = Build { program: "nfacctd", version: "1", features: vec!["http", "sql"] };
        let monitor = Monitor::new(build);
        let (worker, share, plugin) = (Counters::new(), Counters::new(), Counters::new());
        worker.add(Counter::DatagramBytes, 5);
        share.add(Counter::RecordsFilteredTag, 2);
        plugin.add(Counter::RecordsFilteredTag, 3);
        monitor.add_workers([worker.reader(), Counters::new().reader()]);
        let readers = vec![share.reader(), plugin.reader()];
        monitor.add_plugins([Plugin { name: "a\"\n".to_owned(), kind: "print", readers, spools: false }]);
        let exporter = |address: &str| Exporter {
            address: address.parse().unwrap(),
            datagrams: 1,
            bytes: 2,
            records: 3,
            gaps: 4,
            lost: 5,
        };
        let interface = Interface { name: "eth0".to_owned(), direction: Some("in"), received: 8, dropped: 9 };
        monitor.reported([exporter("192.0.2.1"), exporter("2001:db8::1")], [interface]);
        monitor
    }

    #[test]
    fn samples_have_labels_of_their_scope() {
        let text = write(&monitor(), Format::OpenMetrics);
        for line in [
            "pmacct_datagrams_received_bytes_total{worker=\"0\"} 5",
            "pmacct_datagrams_received_bytes_total{worker=\"1\"} 0",
            "pmacct_records_filtered_total{plugin=\"a\\\"\\n\",type=\"print\",reason=\"tag\"} 5",
            "pmacct_exporter_datagrams_received_bytes_total{exporter=\"192.0.2.1\"} 2",
            "pmacct_exporter_sequence_lost_total{exporter=\"2001:db8::1\"} 5",
            "pmacct_interface_packets_dropped_total{interface=\"eth0\",direction=\"in\"} 9",
            "pmacct_build_info{program=\"nfacctd\",version=\"1\",features=\"http,sql\"} 1",
            "# UNIT pmacct_datagrams_received_bytes bytes",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
    }

    #[test]
    fn every_counter_of_the_table_is_there_with_type_and_help() {
        for format in Format::ALL {
            let text = write(&monitor(), format);
            let samples: HashSet<&str> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
            for row in ROWS {
                let name = format!("{PREFIX}{}", row.family);
                assert!(samples.contains(name.as_str()), "{name}");
                let head = if format == Format::OpenMetrics { super::name(row) } else { name };
                let heads = |word: &str| text.matches(&format!("# {word} {head} ")).count();
                assert_eq!((heads("TYPE"), heads("HELP")), (1, 1), "{head}");
                let units = usize::from(format == Format::OpenMetrics && row.unit().is_some());
                assert_eq!(heads("UNIT"), units, "{head}");
                assert!(row.reason.is_empty() || text.contains(&format!("reason=\"{}\"", row.reason)), "{head}");
            }
        }
    }

    #[test]
    fn a_daemon_without_workers_and_plugins_has_its_process() {
        let text = write(&Monitor::new(Build::default()), Format::OpenMetrics);
        assert!(text.contains("process_cpu_seconds_total ") && !text.contains("worker"), "{text}");
    }
}
