//! What an object file has, and names of sections that libbpf accepts and the loader does not.
//!
//! Object files for pmacct have their program in a section such as `sk_reuseport/selector`. Versions of libbpf before 1.0 looked
//! only at what is before the slash; the loader knows `sk_reuseport` and `sk_reuseport/migrate`. So other suffixes are cut off,
//! in the table of section names and in BTF, which refers to sections by name.

use crate::{Error, PROGRAM, Transport};
use object::{Object, ObjectSection, ObjectSymbol};
use std::ops::Range;

const KNOWN: &[u8] = b"sk_reuseport";
const MIGRATE: &[u8] = b"/migrate";

/// Checks that the file has the program, and the map of the transport.
pub(crate) fn check(file: &[u8], transport: Transport) -> Result<(), Error> {
    let parsed = object::File::parse(file).map_err(|error| Error::Object(error.to_string()))?;
    let is_in = |section: &[u8], name: &str| {
        parsed.symbols().any(|symbol| {
            let home = symbol.section_index().and_then(|index| parsed.section_by_index(index).ok());
            symbol.name_bytes() == Ok(name.as_bytes())
                && home.is_some_and(|home| home.name_bytes().is_ok_and(|home| home.starts_with(section)))
        })
    };
    if !is_in(KNOWN, PROGRAM) {
        return Err(Error::NoProgram);
    }
    // Section .maps has them with their types, maps without.
    let map = transport.map();
    if is_in(b".maps", map) || is_in(b"maps", map) { Ok(()) } else { Err(Error::NoMap(map)) }
}

/// Cuts off unknown suffixes of `sk_reuseport`. What is not an object file is left as it is.
pub(crate) fn cut_suffixes(file: &mut [u8]) {
    let tables: Vec<Range<usize>> = {
        let Ok(parsed) = object::File::parse(&*file) else { return };
        let is_known = |section: &object::Section<'_, '_>| {
            let name = section.name_bytes().unwrap_or_default();
            name.strip_prefix(KNOWN).is_none_or(|suffix| suffix.is_empty() || suffix == MIGRATE)
        };
        if parsed.sections().all(|section| is_known(&section)) {
            return;
        }
        parsed.sections().filter(|section| is_table(section)).filter_map(|section| range(&section)).collect()
    };
    for table in tables {
        cut(file.get_mut(table).unwrap_or_default());
    }
}

/// Whether it has names of sections.
fn is_table(section: &object::Section<'_, '_>) -> bool {
    matches!(section.name_bytes(), Ok(b".strtab" | b".shstrtab" | b".BTF"))
}

/// Its octets in the file.
fn range(section: &object::Section<'_, '_>) -> Option<Range<usize>> {
    let (start, len) = section.file_range()?;
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(usize::try_from(len).ok()?)?)
}

/// Ends each name after `sk_reuseport`, unless its suffix is known. Names end with a zero octet, and one may be the end of
/// another (`.relsk_reuseport/selector`).
fn cut(table: &mut [u8]) {
    for name in table.split_mut(|octet| *octet == 0) {
        let Some(at) = name.windows(KNOWN.len() + 1).position(|part| part.strip_prefix(KNOWN) == Some(b"/"))
        else {
            continue;
        };
        let suffix = name.get_mut(at + KNOWN.len()..).unwrap_or_default();
        if *suffix != *MIGRATE {
            suffix.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::write;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};

    fn object_with(sections: &[&str]) -> Vec<u8> {
        let mut file = write::Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        for name in sections {
            let section = file.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Text);
            file.append_section_data(section, b"not sk_reuseport/names", 1);
        }
        file.write().unwrap()
    }

    fn names(file: &[u8]) -> Vec<String> {
        let parsed = object::File::parse(file).unwrap();
        let names = parsed.sections().map(|section| section.name().unwrap().to_owned());
        names.filter(|name| name.contains("reuseport")).collect()
    }

    #[test]
    fn unknown_suffixes_are_cut_off() {
        let mut file = object_with(&["sk_reuseport/selector", "sk_reuseport/migrate", "sk_reuseport", "xdp/x"]);
        cut_suffixes(&mut file);
        assert_eq!(names(&file), ["sk_reuseport", "sk_reuseport/migrate", "sk_reuseport"]);
        let contents = b"not sk_reuseport/names";
        assert_eq!(file.windows(contents.len()).filter(|part| part == contents).count(), 4);
    }

    #[test]
    fn other_files_stay_as_they_are() {
        for mut file in [object_with(&["sk_reuseport"]), b"sk_reuseport/selector\0".to_vec(), Vec::new()] {
            let before = file.clone();
            cut_suffixes(&mut file);
            assert_eq!(file, before);
        }
    }

    #[test]
    fn missing_symbols_are_found() {
        let with = |symbols: &[(&str, &str)]| {
            let mut file = write::Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
            for (section, symbol) in symbols {
                let section = file.add_section(Vec::new(), section.as_bytes().to_vec(), SectionKind::Text);
                file.add_symbol(write::Symbol {
                    name: symbol.as_bytes().to_vec(),
                    value: 0,
                    size: 0,
                    kind: object::SymbolKind::Data,
                    scope: object::SymbolScope::Linkage,
                    weak: false,
                    section: write::SymbolSection::Section(section),
                    flags: object::SymbolFlags::None,
                });
            }
            check(&file.write().unwrap(), Transport::Udp)
        };
        let program = ("sk_reuseport", "_selector");
        assert!(matches!(with(&[]), Err(Error::NoProgram)));
        assert!(matches!(with(&[("xdp", "_selector")]), Err(Error::NoProgram)));
        assert!(matches!(with(&[program]), Err(Error::NoMap("udp_balancing_targets"))));
        let other = (".maps", "tcp_balancing_targets");
        assert!(matches!(with(&[program, other]), Err(Error::NoMap(_))));
        for section in [".maps", "maps"] {
            assert!(with(&[program, (section, "udp_balancing_targets")]).is_ok());
        }
        assert!(matches!(check(b"text", Transport::Udp), Err(Error::Object(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(mut cuts: Vec<(proptest::sample::Index, u8)>, end: proptest::sample::Index) {
            let mut file = object_with(&["sk_reuseport/selector"]);
            for (at, octet) in cuts.drain(..) {
                let at = at.index(file.len());
                file[at] = octet;
            }
            file.truncate(end.index(file.len() + 1));
            cut_suffixes(&mut file);
            let _ = check(&file, Transport::Tcp);
        }
    }
}
