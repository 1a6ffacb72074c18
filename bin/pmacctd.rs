//! pmacctd: accounting of packets by libpcap.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::PMACCTD)
}
