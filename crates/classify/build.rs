//! Finds libndpi and compiles the C in front of it.

fn main() {
    #[cfg(feature = "ndpi")]
    ndpi();
}

/// Its calls change between releases, so only those that were tried are taken.
#[cfg(feature = "ndpi")]
fn ndpi() {
    let mut found = pkg_config::Config::new();
    found.range_version("4.2".."4.3");
    let library = match found.cargo_metadata(false).probe("libndpi") {
        Ok(library) => library,
        Err(fault) => {
            // A message of cargo is one line.
            let fault = fault.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let needed = "the feature ndpi needs the headers of libndpi 4.2 (Debian: libndpi-dev)";
            println!("cargo::error={needed}: {fault}");
            return;
        }
    };
    cc::Build::new().file("src/ndpi.c").includes(library.include_paths).compile("classify");
    println!("cargo::rerun-if-changed=src/ndpi.c");
    // After the C, which refers to it.
    if let Err(fault) = found.cargo_metadata(true).probe("libndpi") {
        println!("cargo::error={fault}");
    }
}
