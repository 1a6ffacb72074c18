//! The configurations and files in docs/pmbgpd.md are valid.

use testkit::Setup;
use testkit::certificates::Authority;

#[test]
fn the_documented_examples_are_valid() {
    let mut checked = Vec::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pmbgpd.md");
    let blocks = crate::maps::blocks(&std::fs::read_to_string(path).expect("the document is there"));
    let named = blocks.iter().filter_map(|(_, block)| block.strip_prefix("! ")?.split_once('\n'));
    let files: Vec<(&str, &str)> = named.filter(|(name, _)| !name.contains(' ')).collect();
    for (name, _) in files.iter().filter(|(name, _)| name.ends_with(".conf")) {
        let setup = Setup::new(env!("CARGO_BIN_EXE_pmbgpd")).file("ca.pem", Authority::new().pem());
        let setup = files.iter().fold(setup, |setup, (name, text)| setup.file(name, text));
        let finished = setup.arguments(["-f", name, "--check"]).run();
        assert_eq!(finished.code(), Some(0), "{name}: {}", finished.log);
        assert!(!finished.log.contains("WARN"), "{name}: {}", finished.log);
        checked.push(*name);
    }
    assert!(checked.contains(&"pmbgpd.conf") && checked.len() >= 5, "{checked:?}");
}
