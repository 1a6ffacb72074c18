//! Names of sections that libbpf accepts and the loader does not.
//!
//! Object files for pmacct have their program in a section such as `sk_reuseport/selector`. Versions of libbpf before 1.0 looked
//! only at what is before the slash; the loader knows `sk_reuseport` and `sk_reuseport/migrate`. So other suffixes are cut off,
//! in the table of section names and in BTF, which refers to sections by name.

use object::{Object, ObjectSection};
use std::ops::Range;

const KNOWN: &[u8] = b"sk_reuseport";
const MIGRATE: &[u8] = b"/migrate";

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
        }
    }
}
