//! pmacctd: packet accounting through libpcap.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::PMACCTD)
}
