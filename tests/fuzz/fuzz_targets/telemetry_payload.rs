//! Contents of messages as JSON, subscriptions in them, and SID files.
//!
//! The first octet selects the encoding. What is written is valid JSON on one line for another reader, too, and stays the same when it is
//! written again; what that reader accepts is accepted, except for surrogates and depth.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use telemetry::payload::{Form, InvalidKind, Writer};
use telemetry::sid::Sids;
use telemetry::{Encoding, Message, Subscriptions};

const LIMIT: usize = 16 << 10;
const SIDS: &str = r#"{"module-name":"m","item":[{"namespace":"data","identifier":"/m:a","sid":1},
    {"namespace":"data","identifier":"/m:a/b","sid":2},{"namespace":"identity","identifier":"i\"","sid":3}]}"#;

/// Whether another reader accepts it, or gives up because of the depth.
fn is_json(text: &[u8]) -> bool {
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => std::str::from_utf8(text).is_ok(),
        Err(error) => error.to_string().starts_with("recursion limit"),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(([kind], octets)) = input.split_first_chunk() else { return };
    let (encoding, form) = match kind {
        0 => (Encoding::Json, Form::Value),
        1 => (Encoding::Json, Form::Text),
        2 => (Encoding::Xml, Form::Value),
        3 => (Encoding::Gpb, Form::Value),
        4 => (Encoding::Cbor, Form::Value),
        _ => {
            let mut sids = Sids::default();
            if let Ok(count) = sids.add_file(octets) {
                assert_eq!(sids.len(), count);
                assert_eq!(sids.add_file(octets).ok(), Some(count));
            }
            return;
        }
    };
    let mut writer = Writer { form, limit: LIMIT, ..Writer::default() };
    writer.sids.add_file(SIDS.as_bytes()).expect("it is a SID file");
    let mut out = b"before".to_vec();
    let appended = writer.append(&Message { encoding, octets }, &mut out);
    let written = out.strip_prefix(b"before").expect("it stays");
    if let Err(error) = appended {
        assert!(written.is_empty() && error.at <= octets.len());
        let stricter = matches!(error.kind, InvalidKind::TooDeep | InvalidKind::TooLong);
        if (encoding, form) == (Encoding::Json, Form::Value) && !stricter && !octets.ends_with(b"\0") {
            // Another reader of values, which knows surrogates, but has limits for numbers.
            assert!(serde_json::from_slice::<serde_json::Value>(octets).is_err(), "{error:?}");
        }
        return;
    }
    assert!(written.len() <= LIMIT && is_json(written) && !written.contains(&b'\n'));
    let mut again = Vec::new();
    writer.form = Form::Value;
    match writer.append(&Message { encoding: Encoding::Json, octets: written }, &mut again) {
        Ok(()) => assert_eq!(again, written),
        // A leaf of the type empty in the deepest map.
        Err(error) => assert_eq!((encoding, error.kind), (Encoding::Cbor, InvalidKind::TooDeep)),
    }
    let mut subscriptions = Subscriptions::new(2, 200);
    for _ in 0..2 {
        _ = subscriptions.observe(written);
        assert!(subscriptions.len() <= 2);
    }
});
