//! run-case: runs passes of one benchmark case, with five instances in turn. Without arguments it lists the cases.

use benchkit::{CASES, Core, datagrams};
use std::process::ExitCode;

/// Instances that run the passes, one after the other.
const INSTANCES: u32 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => CASES.iter().for_each(|case| println!("{}", case.name)),
        [name, passes] => {
            let case = CASES.iter().find(|case| case.name == name);
            let (Some(case), Ok(passes)) = (case, passes.parse()) else {
                eprintln!(
                    "run-case: there is no case \"{name}\", or the number of passes \"{passes}\" is invalid"
                );
                return ExitCode::FAILURE;
            };
            let datagrams = datagrams();
            // Hash seeds, and thus collisions, differ from run to run. The sum over several tables varies less.
            for mut core in (0..INSTANCES).map(|_| Core::new(case)) {
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
