//! Makes the programs smaller where the system can load them: relative relocations in their packed form (`DT_RELR`) take 20 kB instead of
//! 1.2 MB. The dynamic linker applies them from glibc 2.36 on.

use std::process::Command;

/// The first version of glibc, major and minor number, whose dynamic linker applies packed relocations.
const FIRST: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_native = std::env::var("HOST").ok() == std::env::var("TARGET").ok();
    let is_glibc = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    // Some versions of other linkers write them without the symbol version that the dynamic linker insists on.
    let has_flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    let is_default = std::env::var("RUSTC_LINKER").is_err() && !has_flags;
    if is_native && is_glibc && is_default && glibc().is_some_and(|version| version >= FIRST) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this system's glibc.
fn glibc() -> Option<(u32, u32)> {
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?.stdout;
    let answer = String::from_utf8(answer).ok()?;
    let mut numbers = answer.trim().strip_prefix("glibc ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
