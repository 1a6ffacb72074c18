//! Metrics of the process, from the kernel.

use crate::exposition::Exposition;
use crate::family::{CPU, MAX_FDS, OPEN_FDS, RESIDENT, START, THREADS, VIRTUAL};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fs;

/// Writes the metrics of the process. Unavailable ones are omitted. `started`: microseconds since 1970.
pub(crate) fn write(text: &mut Exposition, started: u64) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    text.single(&CPU, format_args!("{}.{:06}", cpu.tv_sec, cpu.tv_nsec / 1000));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| value(&status, name);
    for (family, value) in [
        (&RESIDENT, field("VmRSS:").map(|kilobytes| kilobytes.saturating_mul(1024))),
        (&VIRTUAL, field("VmSize:").map(|kilobytes| kilobytes.saturating_mul(1024))),
        (&OPEN_FDS, open_files()),
        (&MAX_FDS, getrlimit(Resource::Nofile).current),
        (&THREADS, field("Threads:")),
    ] {
        if let Some(value) = value {
            text.single(family, value);
        }
    }
    text.single(&START, format_args!("{}.{:06}", started / 1_000_000, started % 1_000_000));
}

/// The number after a field's name in /proc/self/status.
fn value(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<u64> {
    // One of them is the directory that is being read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u64::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::PROCESS;
    use crate::format::Format;

    #[test]
    fn the_process_has_memory_threads_and_open_files() {
        let mut text = Exposition::new(Format::OpenMetrics);
        write(&mut text, 1_700_000_000_000_001);
        let text = text.finish();
        for family in PROCESS {
            assert!(text.contains(&format!("# TYPE {} ", family.name)), "{}: {text}", family.name);
        }
        assert!(text.contains("process_start_time_seconds 1700000000.000001\n"), "{text}");
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n";
        assert_eq!(
            (value(status, "VmRSS:"), value(status, "Threads:"), value(status, "X:")),
            (Some(2048), Some(3), None)
        );
    }
}
