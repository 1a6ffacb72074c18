//! pmbgpd: the BGP collector.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::PMBGPD)
}
