//! Finds libndpi and compiles the C wrapper around it.

fn main() {
    #[cfg(feature = "ndpi")]
    ndpi();
}

/// The API of libndpi changes between releases, so only tested ones are accepted.
#[cfg(feature = "ndpi")]
fn ndpi() {
    let mut found = pkg_config::Config::new();
    found.range_version("4.2".."4.3");
    let library = match found.cargo_metadata(false).probe("libndpi") {
        Ok(library) => library,
        Err(error) => {
            // A message to cargo is one line.
            let error = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let needed = "the feature ndpi needs the headers of libndpi 4.2 (Debian: libndpi-dev)";
            println!("cargo::error={needed}: {error}");
            return;
        }
    };
    cc::Build::new().file("src/ndpi.c").includes(library.include_paths).compile("classify");
    println!("cargo::rerun-if-changed=src/ndpi.c");
    // After the wrapper, which refers to the library.
    if let Err(error) = found.cargo_metadata(true).probe("libndpi") {
        println!("cargo::error={error}");
    }
}
