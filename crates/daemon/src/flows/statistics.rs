//! Statistics of the pipeline for SIGUSR1: per exporter, worker and plugin, and whether the sums add up.

use super::worker::Report;
use crate::host::Readers;
use runtime::notice;
use stats::{Scope, Snapshot};

/// Prints everything. `listen`: the daemon's address as shown; `now`: seconds since 1970; `lines`: of the input.
pub(crate) fn print(
    listen: Option<&str>,
    now: u64,
    reports: Vec<Report>,
    readers: &Readers,
    enrichment: &enrich::Compiled,
    lines: &[String],
) {
    let Readers { workers, plugins } = readers;
    let (mut exporters, mut interfaces) = (Vec::new(), Vec::new());
    for report in reports {
        exporters.extend(report.exporters);
        interfaces.extend(report.interfaces);
    }
    exporters.sort_by_key(|exporter| exporter.address);
    for e in &exporters {
        notice!(
            "stats [{}] agent={}:{} time={now} packets={} bytes={} seq_good={} seq_jmp_fwd={} seq_jmp_bck={} \
             seq_lost={} records={}",
            listen.unwrap_or_default(),
            e.address,
            e.domain,
            e.datagrams,
            e.bytes,
            e.good,
            e.forward,
            e.back,
            e.lost,
            e.records
        );
    }
    for i in &interfaces {
        notice!(
            "stats [{},{}] time={now} received_packets={} dropped_packets={}{}",
            i.name,
            i.index,
            i.received,
            i.dropped,
            i.direction.map(|direction| format!(" direction={direction}")).unwrap_or_default()
        );
    }
    let all = Snapshot::sum(workers);
    if let Some(listen) = listen {
        notice!("stats [{listen}] time={now} discarded_packets={}", all.family("datagrams_rejected_total"));
    }
    for (number, reader) in workers.iter().enumerate() {
        for line in stats::lines(&reader.snapshot(), Scope::Worker) {
            notice!("stats worker={number} {line}");
        }
    }
    for plugin in plugins {
        let snapshot = Snapshot::sum(&plugin.readers);
        for line in stats::lines(&snapshot, Scope::Plugin) {
            notice!("stats plugin={}/{} {line}", plugin.name, plugin.kind);
        }
    }
    for (plugin, usage) in enrichment.usages() {
        match plugin.and_then(|number| plugins.get(number)) {
            Some(plugin) => notice!("stats plugin={}/{} {usage}", plugin.name, plugin.kind),
            None => notice!("stats {usage}"),
        }
    }
    for line in lines {
        notice!("stats {line}");
    }
}
