//! The configurations and files in the documents about BGP are valid.

use testkit::Setup;
use testkit::certificates::Authority;

/// The programs of these configurations, which begin with their names.
const DAEMONS: [(&str, &str); 3] = [
    ("nfacctd", env!("CARGO_BIN_EXE_nfacctd")),
    ("pmacctd", env!("CARGO_BIN_EXE_pmacctd")),
    ("pmbgpd", env!("CARGO_BIN_EXE_pmbgpd")),
];

fn program_of(name: &str) -> &'static str {
    DAEMONS.iter().find(|(daemon, _)| name.starts_with(daemon)).expect("a configuration begins with its daemon").1
}

#[test]
fn the_documented_examples_are_valid() {
    let mut checked = Vec::new();
    for document in ["pmbgpd", "correlation"] {
        let path = format!("{}/docs/{document}.md", env!("CARGO_MANIFEST_DIR"));
        let blocks = crate::maps::blocks(&std::fs::read_to_string(path).expect("the document is there"));
        let named = blocks.iter().filter_map(|(_, block)| block.strip_prefix("! ")?.split_once('\n'));
        let files: Vec<(&str, &str)> = named.filter(|(name, _)| !name.contains(' ')).collect();
        for (name, _) in files.iter().filter(|(name, _)| name.ends_with(".conf")) {
            let setup = Setup::new(program_of(name)).file("ca.pem", Authority::new().pem());
            let setup = files.iter().fold(setup, |setup, (name, text)| setup.file(name, text));
            let finished = setup.arguments(["-f", name, "--check"]).run();
            assert_eq!(finished.code(), Some(0), "{document}: {name}: {}", finished.log);
            assert!(!finished.log.contains("WARN"), "{document}: {name}: {}", finished.log);
            checked.push((*name).to_owned());
        }
    }
    assert!(checked.iter().any(|name| name == "pmbgpd.conf") && checked.len() >= 9, "{checked:?}");
}
