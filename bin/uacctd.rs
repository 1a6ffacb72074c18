//! uacctd: packet accounting through netfilter's log.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::UACCTD)
}
