//! The configurations and files in docs/pmbgpd.md, docs/pmbmpd.md, docs/pmtelemetryd.md and docs/high-availability.md are valid.

use testkit::Setup;
use testkit::certificates::Authority;

/// Checks the configurations of a document. Returns their names.
pub(crate) fn check(program: &str, document: &str) -> Vec<String> {
    let path = format!("{}/docs/{document}", env!("CARGO_MANIFEST_DIR"));
    let blocks = crate::maps::blocks(&std::fs::read_to_string(path).expect("the document is there"));
    let named = blocks.iter().filter_map(|(_, block)| block.strip_prefix("! ")?.split_once('\n'));
    let files: Vec<(&str, &str)> = named.filter(|(name, _)| !name.contains(' ')).collect();
    let authority = Authority::new();
    let server = authority.certify("127.0.0.1");
    let mut checked = Vec::new();
    for (name, _) in files.iter().filter(|(name, _)| name.ends_with(".conf")) {
        let setup = Setup::new(program)
            .file("ca.pem", authority.pem())
            .file("server.pem", &server.certificate)
            .file("server.key", &server.key);
        let setup = files.iter().fold(setup, |setup, (name, text)| setup.file(name, text));
        let finished = setup.arguments(["-f", name, "--check"]).run();
        assert_eq!(finished.code(), Some(0), "{name}: {}", finished.log);
        assert!(!finished.log.contains("WARN"), "{name}: {}", finished.log);
        checked.push((*name).to_owned());
    }
    checked
}

#[test]
fn the_documented_examples_of_pmbgpd_are_valid() {
    let checked = check(env!("CARGO_BIN_EXE_pmbgpd"), "pmbgpd.md");
    assert!(checked.iter().any(|name| name == "pmbgpd.conf") && checked.len() >= 5, "{checked:?}");
}

#[test]
fn the_documented_examples_of_pmbmpd_are_valid() {
    let checked = check(env!("CARGO_BIN_EXE_pmbmpd"), "pmbmpd.md");
    assert!(checked.iter().any(|name| name == "pmbmpd.conf") && checked.len() >= 5, "{checked:?}");
}

#[test]
fn the_documented_examples_of_high_availability_are_valid() {
    let checked = check(env!("CARGO_BIN_EXE_pmbgpd"), "high-availability.md");
    assert_eq!(checked, ["east.conf", "west.conf"]);
}

#[test]
fn the_documented_examples_of_pmtelemetryd_are_valid() {
    let checked = check(env!("CARGO_BIN_EXE_pmtelemetryd"), "pmtelemetryd.md");
    assert!(checked.iter().any(|name| name == "pmtelemetryd.conf") && checked.len() >= 9, "{checked:?}");
}
