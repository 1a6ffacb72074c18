//! Files of ROAs, as validators write them in JSON.
//!
//! ```json
//! { "metadata": {},
//!   "roas": [ { "asn": "AS64496", "prefix": "192.0.2.0/24", "maxLength": 24, "ta": "ripe" } ] }
//! ```
//!
//! * `asn` is a text with or without `AS` (Routinator, RIPE's validator), or a number (rpki-client).
//! * Other members are ignored (`ta`, `expires`, `source`, `metadata`, `aspas`, ...): the validator that writes the file decides what is valid.
//! * The list may also be the document itself.
//! * An entry that lacks a member, or has a wrong one, is skipped with a warning.
//!
//! The file is read as a stream, so memory is needed for the VRPs alone.

use crate::records::Collector;
use crate::vrps::{MAX_VRPS, Vrp, Vrps};
use config::{Diagnostics, Origin};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use wire::{Asn, Prefix};

/// Skipped entries that are reported one by one; the others only as a number.
const MAX_REPORTED: usize = 20;
/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a file. `key` is the configuration key that names it, and `origin` its line. `None` after a fatal problem: a reload then keeps what
/// was read before.
pub fn read(key: &str, path: &Path, origin: &Origin, problems: &mut Diagnostics) -> Option<Vrps> {
    let shown = path.display().to_string();
    match config::text::open(path, config::text::MAX_TEXT) {
        Ok((file, _)) => read_from(key, file.take(config::text::MAX_TEXT), &shown, problems),
        Err(error) => {
            problems.fatal(origin, format!("{key}: {shown}: {error}"), None);
            None
        }
    }
}

/// Reads a document of that name.
pub fn read_from(key: &str, document: impl Read, name: &str, problems: &mut Diagnostics) -> Option<Vrps> {
    let file = Origin::whole(name);
    let line = Cell::new(1);
    let mut input = BufReader::with_capacity(64 * 1024, document);
    if let Ok(start) = input.fill_buf()
        && start.starts_with(MARK)
    {
        input.consume(MARK.len());
    }
    let mut reading =
        Reading { key, file: &file, line: &line, problems, roas: Collector::default(), number: 0, skipped: 0 };
    let mut json = serde_json::Deserializer::from_reader(Lines { input, line: &line });
    let read = Document(&mut reading).deserialize(&mut json).and_then(|()| json.end());
    let Reading { roas, skipped, .. } = reading;
    if let Err(error) = read {
        let at =
            u32::try_from(error.line()).ok().filter(|line| *line > 0).map_or(file.clone(), |line| file.at(line));
        let hint = "Expected a JSON object with a list 'roas'.".to_owned();
        problems.fatal(&at, format!("{key}: {}.", without_place(&error)), Some(hint));
        return None;
    }
    if let Some(more) = skipped.checked_sub(MAX_REPORTED).filter(|more| *more > 0) {
        problems.warn(&file, format!("{key}: {more} more entries were skipped."), None);
    }
    let (records, _) = roas.finish();
    if records.len() == 0 {
        problems.remark(&file, format!("{key}: the file has no VRP: all routes are unknown."), None);
    }
    Some(Vrps::of(&records))
}

/// The text of an error without the line, which the diagnostic has.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned()
}

/// Counts the lines of what is read. The JSON reader takes one byte at a time, so the count is exact.
struct Lines<'a, R> {
    input: BufReader<R>,
    line: &'a Cell<u32>,
}

impl<R: Read> Read for Lines<'_, R> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let ends = buffer.iter().take(count).filter(|byte| **byte == b'\n').count();
        self.line.set(self.line.get().saturating_add(u32::try_from(ends).unwrap_or(u32::MAX)));
        Ok(count)
    }
}

struct Reading<'a> {
    key: &'a str,
    file: &'a Origin,
    line: &'a Cell<u32>,
    problems: &'a mut Diagnostics,
    roas: Collector,
    /// Entries so far.
    number: usize,
    skipped: usize,
}

impl Reading<'_> {
    /// Takes an entry that began in that line.
    fn take(&mut self, line: u32, entry: Result<Vrp, String>) {
        match entry {
            Ok(vrp) => self.roas.push(&vrp),
            Err(why) => {
                self.skipped += 1;
                if self.skipped <= MAX_REPORTED {
                    let what = format!("{}: roas[{}] is skipped: {why}.", self.key, self.number);
                    self.problems.warn(&self.file.at(line), what, None);
                }
            }
        }
        self.number += 1;
    }
}

/// The document: an object with the list, or the list.
struct Document<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list 'roas'")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let mut found = false;
        while let Some(name) = members.next_key_seed(Name)? {
            if name == Member::Roas {
                found = true;
                members.next_value_seed(List(self.0))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(M::Error::custom("the list 'roas' is missing")) }
    }

    fn visit_seq<S: SeqAccess<'de>>(self, entries: S) -> Result<(), S::Error> {
        List(self.0).visit_seq(entries)
    }
}

/// The list of entries.
struct List<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ROAs")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut entries: S) -> Result<(), S::Error> {
        while let Some((line, entry)) = entries.next_element_seed(Entry(self.0.line))? {
            self.0.take(line, entry);
            if self.0.roas.len() > MAX_VRPS {
                return Err(S::Error::custom(format_args!("more than {MAX_VRPS} entries")));
            }
        }
        Ok(())
    }
}

/// The members that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Roas,
    Asn,
    Prefix,
    MaxLength,
    Other,
}

/// The name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Member, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Member, E> {
        Ok(match name {
            "roas" => Member::Roas,
            "asn" => Member::Asn,
            "prefix" => Member::Prefix,
            "maxLength" => Member::MaxLength,
            _ => Member::Other,
        })
    }
}

/// A member of any type. Nothing is kept of values that cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    Number(u64),
    Asn(Asn),
    Prefix(Prefix),
    Wrong,
}

/// A member, parsed as what it should be.
struct Of(Member);

impl<'de> DeserializeSeed<'de> for Of {
    type Value = Scalar;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Scalar, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Of {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(match self.0 {
            Member::Asn => {
                let digits = match text.split_at_checked(2) {
                    Some((start, digits)) if start.eq_ignore_ascii_case("as") => digits,
                    _ => text,
                };
                digits.parse().map_or(Scalar::Wrong, Scalar::Asn)
            }
            // An address without a length would be a prefix of a single address.
            Member::Prefix if text.contains('/') => text.parse().map_or(Scalar::Wrong, Scalar::Prefix),
            _ => Scalar::Wrong,
        })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Wrong)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Wrong)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Wrong)
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Wrong)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Scalar, S::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Wrong)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Scalar, M::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Wrong)
    }
}

/// An entry of any type, and the line in which it begins.
struct Entry<'a>(&'a Cell<u32>);

type Judged = (u32, Result<Vrp, String>);

impl Entry<'_> {
    fn wrong<E>(self) -> Result<Judged, E> {
        Ok((self.0.get(), Err("it is not an object".to_owned())))
    }
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = Judged;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Judged, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Judged;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ROA")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Judged, M::Error> {
        let line = self.0.get();
        let (mut asn, mut prefix, mut max_length) = (None, None, None);
        while let Some(name) = members.next_key_seed(Name)? {
            match name {
                Member::Asn => asn = Some(members.next_value_seed(Of(name))?),
                Member::Prefix => prefix = Some(members.next_value_seed(Of(name))?),
                Member::MaxLength => max_length = Some(members.next_value_seed(Of(name))?),
                Member::Roas | Member::Other => _ = members.next_value::<IgnoredAny>()?,
            }
        }
        Ok((line, vrp(asn, prefix, max_length)))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Judged, E> {
        self.wrong()
    }

    fn visit_i64<E>(self, _: i64) -> Result<Judged, E> {
        self.wrong()
    }

    fn visit_f64<E>(self, _: f64) -> Result<Judged, E> {
        self.wrong()
    }

    fn visit_bool<E>(self, _: bool) -> Result<Judged, E> {
        self.wrong()
    }

    fn visit_unit<E>(self) -> Result<Judged, E> {
        self.wrong()
    }

    fn visit_str<E>(self, _: &str) -> Result<Judged, E> {
        self.wrong()
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Judged, S::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.wrong()
    }
}

fn vrp(asn: Option<Scalar>, prefix: Option<Scalar>, max_length: Option<Scalar>) -> Result<Vrp, String> {
    let asn = match asn {
        Some(Scalar::Asn(asn)) => asn,
        Some(Scalar::Number(number)) => {
            Asn(u32::try_from(number).map_err(|_| format!("{number} is not an AS number"))?)
        }
        Some(_) => return Err("'asn' is not an AS number, such as \"AS64496\" or 64496".to_owned()),
        None => return Err("'asn' is missing".to_owned()),
    };
    let prefix = match prefix {
        Some(Scalar::Prefix(prefix)) => prefix,
        Some(_) => return Err("'prefix' is not a prefix, such as \"192.0.2.0/24\"".to_owned()),
        None => return Err("'prefix' is missing".to_owned()),
    };
    let lengths = || {
        format!("'maxLength' of {prefix} is not a number from {} to {}", prefix.length(), prefix.family().width())
    };
    match max_length {
        Some(Scalar::Number(number)) => {
            u8::try_from(number).ok().and_then(|max| Vrp::new(prefix, max, asn)).ok_or_else(lengths)
        }
        Some(_) => Err(lengths()),
        None => Err("'maxLength' is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Validity;
    use proptest::prelude::*;

    fn parse(text: &str) -> (Option<Vrps>, Vec<String>) {
        let mut problems = Diagnostics::new();
        let vrps = read_from("rpki_roas_file", text.as_bytes(), "r.json", &mut problems);
        (vrps, problems.iter().map(ToString::to_string).collect())
    }

    fn judges(text: &str, routes: &[(&str, u32, Validity)]) {
        let (vrps, problems) = parse(text);
        assert_eq!(problems, [""; 0], "{text}");
        let vrps = vrps.unwrap();
        for (prefix, asn, expected) in routes {
            assert_eq!(vrps.validity(&prefix.parse().unwrap(), Some(Asn(*asn))), *expected, "{prefix}");
        }
    }

    #[test]
    fn reads_the_dialects_of_validators() {
        let routes = &[
            ("10.20.0.0/16", 65020, Validity::Valid),
            ("10.20.0.0/17", 65020, Validity::Invalid),
            ("2001:db8:20::/48", 4_200_000_001, Validity::Valid),
            ("10.0.0.0/8", 65020, Validity::Unknown),
        ][..];
        // Routinator, OctoRPKI and RIPE's validator.
        judges(
            r#"{"metadata": {"generated": 1}, "roas": [
                {"asn": "AS65020", "prefix": "10.20.0.0/16", "maxLength": 16, "ta": "ripe"},
                {"asn": "AS4200000001", "prefix": "2001:db8:20::/48", "maxLength": 48, "ta": "arin"}]}"#,
            routes,
        );
        // rpki-client.
        judges(
            r#"{"metadata": {"vrps": 2}, "roas": [{"asn": 65020, "prefix": "10.20.0.0/16", "maxLength": 16, "ta": "x", "expires": 1},
                {"prefix": "2001:db8:20::/48", "maxLength": 48, "asn": 4200000001}], "bgpsec_keys": [], "aspas": [{"customer_asid": 1}]}"#,
            routes,
        );
        // Routinator's jsonext, with a byte order mark; and a bare list, as a text without AS.
        judges(
            "\u{feff}{\"roas\": [{\"asn\": \"AS65020\", \"prefix\": \"10.20.0.0/16\", \"maxLength\": 16, \"source\": [{\"type\": \"roa\", \
             \"uri\": \"rsync://x\", \"validity\": {\"notBefore\": \"2020\"}}]}, {\"asn\": \"as4200000001\", \"prefix\": \
             \"2001:db8:20::/48\", \"maxLength\": 48}]}",
            routes,
        );
        judges(
            r#"[{"asn": "65020", "prefix": "10.20.0.0/16", "maxLength": 16}, {"asn": 4200000001, "prefix": "2001:db8:20::/48",
                "maxLength": 48}]"#,
            routes,
        );
    }

    #[test]
    fn wrong_entries_are_skipped_with_their_line() {
        let (vrps, problems) = parse(
            "{\"roas\": [\n{\"asn\": 1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 8},\n{\"asn\": 1,\n \"prefix\": \"10.0.0.0/8\"},\n\
             {\"prefix\": \"10.0.0.0/8\", \"maxLength\": 8}, {\"asn\": 1, \"maxLength\": 8},\n\
             {\"asn\": \"ASx\", \"prefix\": \"10.0.0.0/8\", \"maxLength\": 8},\n\
             {\"asn\": 4294967296, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 8},\n\
             {\"asn\": 1, \"prefix\": \"10.0.0.0\", \"maxLength\": 32},\n\
             {\"asn\": 1, \"prefix\": [\"10.0.0.0/8\"], \"maxLength\": 8},\n\
             {\"asn\": 1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 7},\n\
             {\"asn\": -1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": 8},\n\
             {\"asn\": 1, \"prefix\": \"10.0.0.0/8\", \"maxLength\": \"8\"},\n\
             \"x\", 1, null, [2], -1, 1.5, true]}",
        );
        assert_eq!(vrps.unwrap().len(), 1);
        let not_object =
            |number| format!("WARN: [r.json:13] rpki_roas_file: roas[{number}] is skipped: it is not an object.");
        let expected = [
            "WARN: [r.json:3] rpki_roas_file: roas[1] is skipped: 'maxLength' is missing.",
            "WARN: [r.json:5] rpki_roas_file: roas[2] is skipped: 'asn' is missing.",
            "WARN: [r.json:5] rpki_roas_file: roas[3] is skipped: 'prefix' is missing.",
            "WARN: [r.json:6] rpki_roas_file: roas[4] is skipped: 'asn' is not an AS number, such as \"AS64496\" or 64496.",
            "WARN: [r.json:7] rpki_roas_file: roas[5] is skipped: 4294967296 is not an AS number.",
            "WARN: [r.json:8] rpki_roas_file: roas[6] is skipped: 'prefix' is not a prefix, such as \"192.0.2.0/24\".",
            "WARN: [r.json:9] rpki_roas_file: roas[7] is skipped: 'prefix' is not a prefix, such as \"192.0.2.0/24\".",
            "WARN: [r.json:10] rpki_roas_file: roas[8] is skipped: 'maxLength' of 10.0.0.0/8 is not a number from 8 to 32.",
            "WARN: [r.json:11] rpki_roas_file: roas[9] is skipped: 'asn' is not an AS number, such as \"AS64496\" or 64496.",
            "WARN: [r.json:12] rpki_roas_file: roas[10] is skipped: 'maxLength' of 10.0.0.0/8 is not a number from 8 to 32.",
        ];
        let expected: Vec<String> =
            expected.map(str::to_owned).into_iter().chain((11..18).map(not_object)).collect();
        assert_eq!(problems, expected);
    }

    #[test]
    fn many_skipped_entries_are_one_line() {
        let entries = vec!["{}"; 1000].join(",");
        let (_, problems) = parse(&format!("{{\"roas\": [{entries}]}}"));
        assert_eq!(problems.len(), MAX_REPORTED + 2);
        assert_eq!(problems[MAX_REPORTED], "WARN: [r.json] rpki_roas_file: 980 more entries were skipped.");
        assert_eq!(
            problems[MAX_REPORTED + 1],
            "WARN: [r.json] rpki_roas_file: the file has no VRP: all routes are unknown."
        );
    }

    #[test]
    fn other_documents_are_errors() {
        for (text, start) in [
            ("", "ERROR: [r.json:1] rpki_roas_file: EOF while parsing a value. Expected a JSON object"),
            ("{}", "ERROR: [r.json:1] rpki_roas_file: the list 'roas' is missing. "),
            (
                "\n{\"roas\": 5}",
                "ERROR: [r.json:2] rpki_roas_file: invalid type: integer `5`, expected a list of ROAs. ",
            ),
            ("{\"roas\": []\n", "ERROR: [r.json:2] rpki_roas_file: EOF while parsing an object. "),
            ("{\"roas\": []} x", "ERROR: [r.json:1] rpki_roas_file: trailing characters. "),
            (
                "5",
                "ERROR: [r.json:1] rpki_roas_file: invalid type: integer `5`, expected an object with a list 'roas'. ",
            ),
            ("{\"roas\": [{\"asn\": 1 \"prefix\"", "ERROR: [r.json:1] rpki_roas_file: "),
        ] {
            let (vrps, problems) = parse(text);
            assert!(vrps.is_none(), "{text}");
            assert!(problems.len() == 1 && problems[0].starts_with(start), "{text}: {problems:?}");
        }
        let deep = format!("{{\"roas\": [{}]}}", "[".repeat(100_000));
        assert!(parse(&deep).0.is_none());
    }

    #[test]
    fn files_that_cannot_be_read_are_errors_of_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut problems = Diagnostics::new();
        let origin = Origin::whole("c.conf").at(7);
        assert!(read("rpki_roas_file", &folder.path().join("none"), &origin, &mut problems).is_none());
        assert!(read("rpki_roas_file", folder.path(), &origin, &mut problems).is_none());
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            shown[0].starts_with("ERROR: [c.conf:7] rpki_roas_file: ") && shown[0].contains("No such file"),
            "{shown:?}"
        );
        assert!(shown[1].ends_with("path is not a regular file, but a directory"), "{shown:?}");
        let path = folder.path().join("roas.json");
        std::fs::write(&path, r#"{"roas": [{"asn": 0, "prefix": "::/0", "maxLength": 128}]}"#).unwrap();
        assert_eq!(read("rpki_roas_file", &path, &origin, &mut problems).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(vrps in prop::collection::btree_set(crate::vrps::tests::any_vrp(), 0..20), text: bool) {
            let entries: Vec<String> = vrps.iter().map(|vrp| {
                let (prefix, max, asn) = (vrp.prefix(), vrp.max_length(), vrp.asn());
                let asn = if text { format!("\"AS{asn}\"") } else { asn.to_string() };
                format!("{{\"prefix\": \"{prefix}\", \"asn\": {asn}, \"maxLength\": {max}}}")
            }).collect();
            let (read, problems) = parse(&format!("{{\"roas\": [{}]}}", entries.join(",\n")));
            let read = read.unwrap();
            prop_assert_eq!(read.len(), vrps.len());
            prop_assert_eq!(problems.is_empty(), !vrps.is_empty());
            for vrp in &vrps {
                let expected = if vrp.asn() == Asn(0) { Validity::Invalid } else { Validity::Valid };
                prop_assert_eq!(read.validity(&vrp.prefix(), Some(vrp.asn())), expected);
            }
        }

        #[test]
        fn any_text_is_read_or_an_error(text in "[\\[\\]{}\",:0-9a-z \n]{0,60}|.*") {
            _ = parse(&text);
            _ = parse(&format!("{{\"roas\": [{text}]}}"));
        }
    }
}
