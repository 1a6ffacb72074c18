//! docs/metrics.md, generated from the table of counters and the other families.

use crate::exporters::NAMED;
use crate::family::{
    BGP, BMP, BUILD, EXPORTERS, Family, HA, INTAKE, INTERFACES, IPFIX, PROCESS, TELEMETRY, TELEMETRY_GRPC,
};
use crate::monitor::{REPORTS, SILENCE};
use crate::page;
use stats::{ROWS, Row, Scope};
use std::fmt::Write;

const HEAD: &str = "\
# Metrics and health

<!-- Generated from the table of counters in crates/stats/src/table.rs and from crates/metrics: `cargo run -p xtask -- documents`. -->

With `http_listen` a daemon answers these requests over HTTP:

| path | answer |
|---|---|
| `/metrics` | all counters, gauges and figures of the process |
| `/healthz` | 200 while the main thread runs, else 503: for the supervisor that restarts a process |
| `/readyz` | 200 while the daemon listens and each plugin can write or spool, and the broker from which datagrams are read answers, else 503 with the reasons as text |
| `/api/bgp/peers`, `/api/bgp/routes` | daemons with BGP: peers and routes as JSON, one object per line: [pmbgpd.md](pmbgpd.md#queries-over-http) |
| `/api/bmp/routers`, `/api/bmp/peers`, `/api/bmp/routes` | daemons with BMP: monitored routers, their peers and routes, likewise: [pmbmpd.md](pmbmpd.md#queries-over-http) |
| `/api/telemetry/nodes` | daemons with streaming telemetry: the nodes that are present: [pmtelemetryd.md](pmtelemetryd.md#queries-over-http) |

This configuration runs as it stands:

```conf
! nfacctd.conf
nfacctd_port: 2100
http_listen: 127.0.0.1:9980

plugins: print[flows]
aggregate[flows]: src_host, dst_host
print_output[flows]: json
print_output_file[flows]: /tmp/pmacct-flows.json
print_refresh_time[flows]: 60
```

    $ nfacctd -f nfacctd.conf &
    $ curl http://127.0.0.1:9980/readyz
    ready
    $ curl -s http://127.0.0.1:9980/metrics | grep datagrams_received_total
    pmacct_datagrams_received_total{worker=\"0\"} 0
    …

`http_listen` takes an IPv4 address, an IPv6 address in brackets, or the absolute path of a Unix socket
(`curl --unix-socket /run/pmacct/http.sock http://localhost/metrics`), whose mode is 660 unless `http_listen_mode` says otherwise, and whose
group `http_listen_group` sets. The address is bound before the daemon changes its user; the file of the socket is removed at the end.

The endpoint authenticates nobody, and HTTP is not encrypted. Metrics name exporters, interfaces and plugins. Keep to a loopback address or a Unix
socket, and put a reverse proxy in front of it where others must reach it. [SECURITY.md](SECURITY.md#clients-of-the-metrics-endpoint) says what clients
can do and cannot.

## Prometheus

```yaml
scrape_configs:
  - job_name: pmacct
    static_configs:
      - targets: ['127.0.0.1:9980']
```

The format is OpenMetrics 1.0, or the text format of Prometheus (version 0.0.4) for clients whose `Accept` header prefers `text/plain`.

Some alerts:

```yaml
groups:
  - name: pmacct
    rules:
      - alert: PmacctDown
        expr: up{job=\"pmacct\"} == 0
        for: 2m
      - alert: PmacctKernelDrops
        expr: sum by (instance) (rate(pmacct_kernel_drops_total[5m])) > 0
        for: 5m
        annotations:
          summary: The machine is too slow or the receive buffer too small (nfacctd_pipe_size, nfacctd_workers).
      - alert: PmacctDatagramsRejected
        expr: sum by (instance, reason) (rate(pmacct_datagrams_rejected_total{reason!=\"not_allowed\"}[5m])) > 0
        for: 10m
      - alert: PmacctExporterLoss
        expr: rate(pmacct_exporter_sequence_lost_total[10m]) > 1
        for: 10m
        annotations:
          summary: Flows of {{ $labels.exporter }} are lost on the way, or by the exporter.
      - alert: PmacctExporterSilent
        expr: rate(pmacct_exporter_datagrams_received_total{exporter!=\"other\"}[15m]) == 0
        for: 15m
      - alert: PmacctDataLost
        expr: >-
          rate(pmacct_records_dropped_total[5m]) > 0
          or rate(pmacct_aggregates_dropped_total[5m]) > 0
      - alert: PmacctSinkDown
        expr: pmacct_sink_up == 0
        for: 5m
      - alert: PmacctNothingWritten
        expr: >-
          time() - pmacct_last_write_timestamp_seconds > 1800
          and on (instance, plugin) rate(pmacct_records_aggregated_total[30m]) > 0
        annotations:
          summary: Set the time to a few refresh times of the plugin.
      - alert: PmacctSpoolFills
        expr: pmacct_spool_bytes > 3e9
        annotations:
          summary: At plugin_spool_size (4 GB by default) the oldest aggregates are dropped.
```

## Health

`/healthz` fails when the main thread has not run for SILENCE s; it wakes once a second, and whatever may take long runs in other threads.

`/readyz` fails while the daemon starts or shuts down, and for each plugin without a spool whose last attempt to write failed. A
plugin with `plugin_spool_dir` does not fail it: what its store does not take waits on disk. After the start, a plugin that writes to a database or a
broker counts as failed until its store was opened. A daemon that reads datagrams from Kafka is ready while the brokers answer and it reads at least one
partition; one that reads them from ZeroMQ, while it is connected. With `redis_host`, further lines say whether the Redis server answers and whether the
daemon is active or on stand-by ([high-availability.md](high-availability.md#monitoring)); both are ready.

## Metrics

SIGUSR1 logs the same counters ([running.md](running.md#statistics)); there, names have neither `pmacct_` nor `_total`, and reasons are in
brackets. Intended drops are called *filtered*, losses *dropped*. Counters begin at 0 when the daemon starts. The equations of
[running.md](running.md#statistics) hold for the numbers of one scrape.

";

/// The whole document.
#[must_use]
pub fn document() -> String {
    let mut out = HEAD.replace("SILENCE", &SILENCE.as_secs().to_string());
    out += "### Of workers\n\nLabel `worker`: the number of the worker.\n";
    counters(&mut out, Scope::Worker);
    out += "\n### Of plugins\n\nLabels `plugin` and `type`: the name and the type of the plugin, as in `plugins: TYPE[NAME]`.\n";
    counters(&mut out, Scope::Plugin);
    let seconds = REPORTS.as_secs();
    let _ = writeln!(
        out,
        "\n### Of exporters\n\n\
         Label `exporter`: the address of an exporter or sFlow agent, for the {NAMED} busiest; all others are summed as `exporter=\"other\"`.\n\
         An exporter keeps its series until it is evicted, or until another one has sent twice as many datagrams. From then on its datagrams count\n\
         as `other`, where those that the other one sent before remain. Workers report these figures every {seconds} seconds at most, and only while\n\
         somebody reads them, so they may be older than the rest."
    );
    families(&mut out, &EXPORTERS);
    out += "\n### Of interfaces\n\n\
            Labels `interface` and, where only one direction is captured, `direction`. pmacctd and uacctd have them; they are as old as those of \
            exporters.\n";
    families(&mut out, &INTERFACES);
    out += "\n### Of datagrams from brokers\n\n\
            nfacctd and sfacctd have them if they read datagrams from Kafka or ZeroMQ. Labels `change`: `gained`, `released`, `lost`; `result`: `done`, `failed`.\n";
    families(&mut out, &INTAKE);
    out += "\n### Of BGP and RPKI\n\n\
            Daemons with BGP sessions have them. Labels `reason`, `type`, `action`, `peer` (address and port of the session) and `family` \
            (AFI and SAFI) where the text says so.\n";
    families(&mut out, &BGP);
    out += "\n### Of BMP\n\n\
            Daemons with BMP sessions have them. Labels `reason`, `type`, `action`, `router` (address and port of the session) and `rib` where \
            the text says so.\n";
    families(&mut out, &BMP);
    out += "\n### Of IPFIX over TCP, TLS and DTLS\n\n\
            nfacctd has them if one of these ports is configured. Labels `transport` (`tcp`, `tls`, `dtls`) and `reason` where the text says so.\n";
    families(&mut out, &IPFIX);
    out += "\n### Of telemetry\n\n\
            Daemons with streaming telemetry have them. Labels `reason`, `transport` (`tcp`, `udp`, `udp_notif`, `kafka`, `zmq`, `grpc`, `gnmi`) and `node` \
            (address and port) where the text says so. The 100 nodes with most messages have series of their own; all others are summed \
            as `node=\"other\"`.\n";
    families(&mut out, &TELEMETRY);
    out += "\nWith gRPC, pmtelemetryd has these too. Label `source`: `cisco`, `huawei`, `juniper`, `nokia`, `gnmi`.\n";
    families(&mut out, &TELEMETRY_GRPC);
    out += "\n### Of high availability and Redis\n\n\
            Daemons with `redis_host` have the first two, daemons with `bgp_daemon_ha` all of them. Labels `log` (`bgp`, `bmp`) and `reason` where \
            the text says so. [high-availability.md](high-availability.md#monitoring) explains them.\n";
    families(&mut out, &HA);
    out += "\n### Of the process and the build\n\n\
            `pmacct_build_info` has the labels `program`, `version` and `features`.\n";
    families(&mut out, &PROCESS);
    family(&mut out, &BUILD);
    out
}

const TABLE: &str = "\n| metric | type | unit | what it counts or shows |\n|---|---|---|---|\n";

fn counters(out: &mut String, scope: Scope) {
    *out += TABLE;
    let mut begun = "";
    for row in ROWS.iter().filter(|row| row.scope == scope) {
        let Row { family, reason, help, .. } = *row;
        if begun != family {
            begun = family;
            let (kind, unit) = (page::kind(row).word(), row.unit().unwrap_or_default());
            let _ = writeln!(out, "| `pmacct_{family}` | {kind} | {unit} | {} |", row.family_help());
        }
        if !reason.is_empty() {
            let _ = writeln!(out, "| — `reason=\"{reason}\"` | | | {help} |");
        }
    }
}

fn families(out: &mut String, families: &[Family<'_>]) {
    *out += TABLE;
    families.iter().for_each(|one| family(out, one));
}

fn family(out: &mut String, family: &Family<'_>) {
    let Family { name, kind, unit, help } = *family;
    let suffix = kind.suffix();
    let (kind, unit, help) = (kind.word(), unit.unwrap_or_default(), help.trim_end_matches('.'));
    let _ = writeln!(out, "| `{name}{suffix}` | {kind} | {unit} | {help} |");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_that_of_the_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed == document(), "docs/metrics.md is stale: cargo run -p xtask -- documents");
    }

    #[test]
    fn alerts_are_about_metrics_that_exist() {
        let text = document();
        let names: Vec<String> = ROWS
            .iter()
            .map(|row| format!("pmacct_{}", row.family))
            .chain(EXPORTERS.iter().map(|family| format!("{}_total", family.name)))
            .collect();
        let (_, rules) = text.split_once("groups:").unwrap();
        let (rules, _) = rules.split_once("```").unwrap();
        let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics: Vec<&str> = words.filter(|word| word.starts_with("pmacct_")).collect();
        assert!(metrics.len() > 8);
        for metric in metrics {
            assert!(names.iter().any(|name| name == metric), "{metric}");
        }
    }
}
