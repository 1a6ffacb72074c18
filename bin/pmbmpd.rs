//! pmbmpd: the BMP collector.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::PMBMPD)
}
