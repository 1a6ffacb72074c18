//! uacctd: accounting of packets that netfilter logs.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::UACCTD)
}
