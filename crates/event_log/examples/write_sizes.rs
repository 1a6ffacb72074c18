//! CPU time of writing a file as a dump does, by the size of the writes: `write_sizes FOLDER [MIB]`.
//!
//! Each round writes a new file with each size, and once over a file that exists, so that the sizes meet the same noise. It shows CPU time for
//! 567 bytes, which is a row of a BMP dump in JSON: the least, the median and the most of all rounds.
#![allow(clippy::print_stdout, reason = "the result")]

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

const SIZES: [usize; 5] = [8 << 10, 64 << 10, 256 << 10, 1 << 20, 8 << 20];
const ROUNDS: usize = 9;
const ROW: usize = 567;

/// CPU time of this thread in nanoseconds.
fn cpu_time() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// Nanoseconds for a row.
fn write(path: &Path, is_new: bool, size: usize, total: usize) -> Result<u64, Box<dyn Error>> {
    if is_new {
        // Not there in the first round.
        let _ = fs::remove_file(path);
    }
    let piece = vec![b'x'; size];
    let begin = cpu_time()?;
    let mut file: File = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    for _ in 0..total / size {
        file.write_all(&piece)?;
    }
    drop(file);
    Ok((cpu_time()? - begin) * ROW as u64 / total as u64)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("write_sizes FOLDER [MIB]")?;
    let total = arguments.next().map_or(Ok(256), |text| text.parse::<usize>())? << 20;
    let path = Path::new(&folder).join("write_sizes");
    let cases = SIZES.iter().map(|size| (true, *size)).chain([(false, 256 << 10)]);
    let mut results: Vec<((bool, usize), Vec<u64>)> = cases.map(|case| (case, Vec::new())).collect();
    for _ in 0..ROUNDS {
        for ((is_new, size), times) in &mut results {
            times.push(write(&path, *is_new, *size, total)?);
        }
    }
    fs::remove_file(&path)?;
    for ((is_new, size), mut times) in results {
        times.sort_unstable();
        let what = if is_new { "new file" } else { "overwritten" };
        if let (Some(least), Some(median), Some(most)) = (times.first(), times.get(ROUNDS / 2), times.last()) {
            println!("{what}, {:>4} KiB: {least} ns a row, median {median}, most {most}", size >> 10);
        }
    }
    Ok(())
}
