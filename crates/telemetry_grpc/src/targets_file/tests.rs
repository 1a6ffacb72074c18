use super::*;
use proptest::prelude::*;
use std::fs;

fn read(text: &str) -> (Vec<Arc<Target>>, Vec<String>) {
    let mut problems = Diagnostics::new();
    let environment = |name: &str| (name == "PW").then(|| "secret".to_owned());
    let origin = Origin::whole("gnmi.lst");
    let targets = parse(&origin, text.as_bytes(), Path::new("/nowhere"), environment, &mut problems);
    let hints = |hint: &Option<String>| hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
    (targets, problems.iter().map(|p| format!("{} {}{}", p.origin, p.what, hints(&p.hint))).collect())
}

#[test]
fn a_line_is_a_subscription() {
    let (targets, problems) = read(
        "! targets\n\nname=r1 address=r1.example.net:57400 tls=false path=/a/b[k=v][l=x\\]y]/c path=oc:/d mode=poll interval=30 \
         encoding=proto target=t\naddress=[2001:db8::1]:9339 tls=false path=/\nname=off disabled=true address=x path=y\n",
    );
    assert_eq!(problems, [""; 0]);
    let [first, second] = &targets[..] else { panic!("{targets:?}") };
    assert_eq!((&*first.name, &*first.host, first.port), ("r1", "r1.example.net", 57400));
    assert_eq!((first.mode, first.interval.as_secs(), first.encoding), (Mode::Poll, 30, Encoding::Proto));
    assert_eq!(first.prefix_target, "t");
    let [path, other] = &first.paths[..] else { panic!("{first:?}") };
    let names: Vec<&str> = path.elem.iter().map(|elem| elem.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let keys = [("k", "v"), ("l", "x]y")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(path.elem[1].key, keys.into());
    assert_eq!((&*other.origin, other.elem.len()), ("oc", 1));
    assert_eq!((&*second.name, &*second.host, second.port), ("[2001:db8::1]:9339", "2001:db8::1", 9339));
    assert_eq!((second.mode, second.interval.as_secs(), second.encoding), (Mode::Sample, 10, Encoding::JsonIetf));
    assert!(second.paths[0].elem.is_empty() && second.credentials.is_none() && second.tls.is_none());
    assert_eq!(second.authority(), "[2001:db8::1]:9339");
}

#[test]
fn lines_that_are_wrong_are_ignored_with_a_reason() {
    for (line, problem) in [
        ("path=/a", "address: it is missing. The line is ignored. Write HOST:PORT."),
        (
            "address=r:1 tls=false",
            "path: it is missing. The line is ignored. Write at least one, such as path=/interfaces.",
        ),
        ("address=r:1 pth=/a", "line: unknown key 'pth'. The line is ignored. Did you mean 'path'?"),
        (
            "address=r:1 address=r:2 path=/a",
            "address: it occurs twice. The line is ignored. Only path may be repeated.",
        ),
        ("address=r:1 path=''", "path: it has no value. The line is ignored. Write KEY=VALUE, without blanks."),
        ("address=r:1 path=a", "path: 'a' is not a path. The line is ignored. Write it as in /a/b[key=value]/c."),
        (
            "address=r:1 path=/a[b",
            "path: '/a[b' is not a path. The line is ignored. Write it as in /a/b[key=value]/c.",
        ),
        (
            "address=r:1 tls=false path=/a mode=fast",
            "mode: 'fast' is not known. The line is ignored. Known are sample, on_change, target_defined, once, poll.",
        ),
        (
            "address=r:1 tls=false path=/a interval=0",
            "interval: '0' is not a number of seconds. The line is ignored. Write a number from 1 to 86400.",
        ),
        (
            "address=r:1 tls=false path=/a ca=x",
            "ca: it has no effect without TLS. The line is ignored. Remove it, or tls=false.",
        ),
        (
            "address=r:1 path=/a cert=x",
            "cert: a certificate needs its key. The line is ignored. Write both cert and key.",
        ),
        (
            "address=r:1 path=/a ca=x verify=false",
            "ca: it has no effect with verify=false. The line is ignored. Remove one of them.",
        ),
        (
            "address=r:1 tls=false path=/a password_env=PW",
            "username: it is missing, and there is a password. The line is ignored. Write username=NAME.",
        ),
        (
            "address=r:1 tls=false path=/a username=u",
            "username: there is no password. The line is ignored. Write password_file or password_env.",
        ),
        (
            "address=r:1 tls=false path=/a username=u password_env=NO",
            "password_env: the variable NO is not set. The line is ignored. Set it for the daemon.",
        ),
        (
            "address=r:1 tls=false path=/a username=u password_env=PW password_file=x",
            "password_env: there is a password_file too. The line is ignored. Remove one of them.",
        ),
    ] {
        let (targets, problems) = read(&format!("\n{line}"));
        assert!(targets.is_empty(), "{line}");
        assert_eq!(problems, [format!("gnmi.lst:2 {problem}")]);
    }
    for address in ["r", "r:0", "r:x", ":1", "::1:9", "[::1]", "[r]:1", "r:+1", "a b:1", "r/x:1"] {
        assert_eq!(split_address(address), None, "{address}");
    }
    let (_, problems) = read("address=r:1 path=/a ca=none.pem");
    assert!(problems[0].starts_with("gnmi.lst:1 tls: '/nowhere/none.pem': "), "{problems:?}");
}

#[test]
fn passwords_are_read_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pw");
    fs::write(&path, "pass word\nmore\n").unwrap();
    let line = format!("address=r:1 tls=false path=/a username=u password_file={}", path.display());
    for (mode, targets, remarks) in [(0o600, 1, 0), (0o640, 1, 1), (0o644, 0, 1), (0o601, 0, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let (read, problems) = read(&line);
        // One remark is about plain text.
        let plain = usize::from(targets == 1);
        assert_eq!((read.len(), problems.len()), (targets, remarks + plain), "{mode:o}: {problems:?}");
        for target in read {
            assert_eq!(target.credentials.as_ref().unwrap().password, "pass word");
            assert!(!format!("{target:?}").contains("pass word"));
        }
        assert!(!format!("{problems:?}").contains("pass word"));
    }
    let (targets, problems) = read("address=r:1 tls=false path=/a username=u password_env=PW");
    assert_eq!(targets[0].credentials.as_ref().unwrap().password, "secret");
    assert_eq!(problems, ["gnmi.lst:1 the password is sent in plain text. Use tls=true."]);
}

#[test]
fn a_certificate_that_is_not_verified_is_reported() {
    let (targets, problems) = read("address=r:1 path=/a verify=false");
    assert!(targets[0].tls.is_some());
    assert_eq!(
        problems,
        [
            "gnmi.lst:1 verify=false: anybody can pretend to be the target. Name the authorities of its certificate by ca."
        ]
    );
}

#[test]
fn the_number_of_targets_is_bounded() {
    let text = "address=r:1 tls=false path=/a\n".repeat(5000);
    let (targets, problems) = read(&text);
    assert_eq!(targets.len(), 4096);
    assert_eq!(problems, ["gnmi.lst:4097 more than 4096 targets. The others are ignored."]);
}

#[test]
fn the_document_has_all_keys() {
    let document = include_str!("../../../../docs/telemetry-grpc.md");
    for (key, meaning) in KEYS {
        assert!(document.contains(&format!("\n| `{key}` | {meaning} |\n")), "{key}");
    }
}

proptest! {
    #[test]
    fn any_line_is_read_without_panic(text in "[a-z=:/\\[\\]\\\\' ]{0,60}") {
        read(&format!("address=r:1 tls=false path=/{text}"));
        parse_path(&text);
    }
}
