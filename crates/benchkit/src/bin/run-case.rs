//! run-case: makes passes of one of the core's benchmarks, with five cores in turn; without arguments, lists them.

use benchkit::{CASES, Core, datagrams};
use std::process::ExitCode;

/// Cores that make the passes, one after the other.
const CORES: u32 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => CASES.iter().for_each(|case| println!("{}", case.name)),
        [name, passes] => {
            let case = CASES.iter().find(|case| case.name == name);
            let (Some(case), Ok(passes)) = (case, passes.parse()) else {
                eprintln!("run-case: no case {name}, or {passes} is not a number");
                return ExitCode::FAILURE;
            };
            let datagrams = datagrams();
            // Seeds of hashes differ from run to run, and collisions with them: the sum over several tables varies less.
            for mut core in (0..CORES).map(|_| Core::new(case)) {
                (0u32..passes).for_each(|_| core.pass(&datagrams));
            }
        }
        _ => {
            eprintln!("usage: run-case [CASE PASSES]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
