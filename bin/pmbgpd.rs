//! pmbgpd: the BGP collector, which accepts connections and does not speak BGP yet.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run(&daemon::PMBGPD)
}
