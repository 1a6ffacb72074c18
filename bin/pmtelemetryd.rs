//! pmtelemetryd: the collector of streaming telemetry.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::PMTELEMETRYD)
}
