//! Prefixes: tries, networks_file, ports_file.
#![forbid(unsafe_code)]
