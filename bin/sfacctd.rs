//! sfacctd: the sFlow collector.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::SFACCTD)
}
