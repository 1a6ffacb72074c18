//! nfacctd: the NetFlow and IPFIX collector.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::NFACCTD)
}
