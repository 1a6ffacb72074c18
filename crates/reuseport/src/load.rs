//! Loading the program, with the maps that all processes share.

use super::{BPFFS, Error, FOLDER, Group, NONCE, PROGRAM, Transport};
use crate::kernel::{self, Name, Shape};
use crate::object_file;
use aya_obj::generated::bpf_map_type;
use aya_obj::maps::PinningType;
use aya_obj::{EbpfSectionKind, Map, Object, ProgramSection};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// The name of the map that gets [`NONCE`].
const NONCE_MAP: &str = "nonce";
/// `BPF_FS_MAGIC` of linux/magic.h.
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
/// `BPF_NOEXIST`: the place must be empty.
const EMPTY_ONLY: u64 = 1;
/// Bytes of the object file at most: a program has 1 million instructions of 8 bytes at most, and debug information.
const MAX_FILE: u64 = 64 << 20;
/// Bytes for the verifier's reasons.
const LOG: usize = 1 << 20;
/// Characters of the end of these reasons that are shown.
const MAX_REASONS: usize = 600;

pub(crate) fn check(program: &Path, transport: Transport) -> Result<(), Error> {
    let object = parse(program)?;
    check_object(&object, transport)
}

pub(crate) fn join(group: &Group, transport: Transport, sockets: &[BorrowedFd<'_>]) -> Result<(), Error> {
    let mut object = parse(&group.program)?;
    check_object(&object, transport)?;
    create_folder(&group.folder)?;
    let maps = create_maps(&mut object, &group.folder)?;
    let program = load_program(&mut object, &maps)?;
    if let Some((shape, nonce)) = maps.find(NONCE_MAP) {
        write(nonce, shape, 0, NONCE, 0).map_err(|error| system("write the nonce", &error))?;
    }
    // A socket is put into the map before the program is attached, so that there is no moment in which the program selects an
    // empty place.
    let (shape, targets) = maps.find(transport.map()).ok_or(Error::NoMap(transport.map()))?;
    for (socket, place) in sockets.iter().zip(group.place..) {
        if place >= shape.max_entries {
            return Err(Error::Beyond { place, places: shape.max_entries });
        }
        let descriptor = u32::try_from(socket.as_raw_fd()).map_err(|_| Error::System("not a socket".into()))?;
        write(targets, shape, place, descriptor, EMPTY_ONLY).map_err(|error| match raw(&error) {
            Some(Errno::EXIST) => Error::Taken(place),
            _ => system("put the socket into the map", &error),
        })?;
    }
    let Some(socket) = sockets.first() else { return Ok(()) };
    kernel::attach(*socket, program.as_fd()).map_err(|error| system("attach the program", &error))
}

/// Reads the object file.
fn parse(path: &Path) -> Result<Object, Error> {
    let read = || {
        let len = fs::metadata(path)?.len();
        if len > MAX_FILE {
            return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {MAX_FILE} bytes")));
        }
        fs::read(path)
    };
    let mut file = read().map_err(Error::File)?;
    object_file::cut_suffixes(&mut file);
    Object::parse(&file).map_err(|error| Error::Object(error.to_string()))
}

/// Whether it has all that it needs.
fn check_object(object: &Object, transport: Transport) -> Result<(), Error> {
    let program = object.programs.get(PROGRAM).ok_or(Error::NoProgram)?;
    if !matches!(program.section, ProgramSection::SkReuseport { .. }) {
        return Err(Error::NoProgram);
    }
    let is_of = |map: &Map, kind: bpf_map_type| {
        map.map_type() == kind as u32 && map.key_size() == 4 && matches!(map.value_size(), 4 | 8)
    };
    let name = transport.map();
    let targets = object.maps.get(name).ok_or(Error::NoMap(name))?;
    if !is_of(targets, bpf_map_type::BPF_MAP_TYPE_REUSEPORT_SOCKARRAY) {
        return Err(Error::WrongMap(name));
    }
    match object.maps.get(NONCE_MAP) {
        Some(map) if !is_of(map, bpf_map_type::BPF_MAP_TYPE_ARRAY) => Err(Error::WrongMap(NONCE_MAP)),
        _ => Ok(()),
    }
}

/// Creates the folder of the maps. Whoever can change it could replace the maps, and so take the traffic away.
fn create_folder(folder: &Path) -> Result<(), Error> {
    let is_bpffs =
        rustix::fs::statfs(BPFFS).is_ok_and(|status| u64::try_from(status.f_type).ok() == Some(BPF_FS_MAGIC));
    if !is_bpffs {
        return Err(Error::NoBpffs);
    }
    let failed = |error| Error::Folder(folder.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let user = rustix::process::geteuid().as_raw();
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(FOLDER)) {
        let status = fs::symlink_metadata(folder).map_err(failed)?;
        let is_ours = status.uid() == user || status.uid() == 0;
        if !status.is_dir() || !is_ours || status.mode() & 0o022 != 0 {
            return Err(Error::ForeignFolder(folder.to_owned()));
        }
    }
    Ok(())
}

/// Maps that exist in the kernel, by name.
struct Maps(HashMap<String, (Map, OwnedFd)>);

impl Maps {
    fn find(&self, name: &str) -> Option<(Shape, BorrowedFd<'_>)> {
        self.0.get(name).map(|(map, descriptor)| (shape(map), descriptor.as_fd()))
    }
}

/// Creates the maps of the program. Those that all processes share are opened if another one has created them.
fn create_maps(object: &mut Object, folder: &Path) -> Result<Maps, Error> {
    let mut maps = HashMap::new();
    for (name, map) in object.maps.drain() {
        // Without these maps in common there is no cluster, whatever the program says about pinning.
        let is_ours = name == NONCE_MAP || [Transport::Udp, Transport::Tcp].iter().any(|of| of.map() == name);
        let descriptor = match map.pinning() {
            PinningType::None if !is_ours => {
                kernel::create_map(shape(&map), short(&name)).map_err(|error| create_failed(&name, &error))?
            }
            _ => shared_map(&name, &map, folder)?,
        };
        // The contents of constants and variables.
        if !map.data().is_empty() {
            let failed = |error| system(&format!("write map '{name}'"), &error);
            kernel::update(descriptor.as_fd(), 0, map.data(), 0).map_err(failed)?;
        }
        if map.section_kind() == EbpfSectionKind::Rodata {
            kernel::freeze(descriptor.as_fd()).map_err(|error| system(&format!("freeze map '{name}'"), &error))?;
        }
        maps.insert(name, (map, descriptor));
    }
    Ok(Maps(maps))
}

/// Opens or creates a map in the folder.
fn shared_map(name: &str, map: &Map, folder: &Path) -> Result<OwnedFd, Error> {
    let path = folder.join(name);
    let text = CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::NoBpffs)?;
    let descriptor = match kernel::open(&text) {
        Ok(descriptor) => descriptor,
        Err(_) => {
            let new = kernel::create_map(shape(map), short(name)).map_err(|error| create_failed(name, &error))?;
            match kernel::pin(new.as_fd(), &text) {
                Ok(()) => new,
                // Another process was faster.
                Err(error) if raw(&error) == Some(Errno::EXIST) => {
                    kernel::open(&text).map_err(|error| create_failed(name, &error))?
                }
                Err(error) => return Err(create_failed(name, &error)),
            }
        }
    };
    let found = kernel::shape(descriptor.as_fd()).map_err(|error| system("inspect a map", &error))?;
    if found == shape(map) { Ok(descriptor) } else { Err(Error::DifferentMap(path)) }
}

fn shape(map: &Map) -> Shape {
    Shape {
        kind: map.map_type(),
        key_size: map.key_size(),
        value_size: map.value_size(),
        max_entries: map.max_entries(),
        flags: map.map_flags(),
    }
}

/// A name as the kernel keeps it: 15 letters, digits and underscores.
fn short(name: &str) -> Name {
    let mut short = Name::default();
    let allowed = name.bytes().filter(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
    short.iter_mut().take(15).zip(allowed).for_each(|(to, from)| *to = from);
    short
}

/// Puts the maps into the program and lets the kernel verify it.
fn load_program(object: &mut Object, maps: &Maps) -> Result<OwnedFd, Error> {
    let invalid = |error: &dyn std::error::Error| Error::Object(chain(error));
    // Relocations to types of this kernel are not applied, since the types that such programs can use never change:
    // `sk_reuseport_md` and `bpf_sock` are declared in linux/bpf.h.
    let text_sections = object.functions.keys().map(|(section, _)| *section).collect();
    let descriptors = maps.0.iter().map(|(name, (map, file))| (name.as_str(), file.as_raw_fd(), map));
    object.relocate_maps(descriptors, &text_sections).map_err(|error| invalid(&error))?;
    object.relocate_calls(&text_sections).map_err(|error| invalid(&error))?;

    let program = object.programs.get(PROGRAM).ok_or(Error::NoProgram)?;
    let ProgramSection::SkReuseport { attach_type } = program.section else { return Err(Error::NoProgram) };
    let function = object.functions.get(&program.function_key()).ok_or(Error::NoProgram)?;
    let load = |log: &mut [u8]| {
        let license = &program.license;
        kernel::load_program(&function.instructions, license, attach_type.into(), short(PROGRAM), log)
    };
    load(&mut []).map_err(|error| match raw(&error) {
        Some(Errno::PERM) => Error::Denied,
        _ => {
            let mut log = vec![0; LOG];
            let error = load(&mut log).err().unwrap_or(error);
            Error::Rejected(format!("{error}: {}", reasons(&log)))
        }
    })
}

/// The end of the verifier's log, in one line.
fn reasons(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log.split(|octet| *octet == 0).next().unwrap_or_default());
    let from = text.char_indices().rev().nth(MAX_REASONS).map_or(0, |(at, _)| at);
    let lines = text.get(from..).unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// Writes a number to a map whose values have 4 or 8 bytes.
fn write(map: BorrowedFd<'_>, shape: Shape, key: u32, value: u32, flags: u64) -> io::Result<()> {
    if shape.value_size == 8 {
        return kernel::update(map, key, &u64::from(value).to_ne_bytes(), flags);
    }
    kernel::update(map, key, &value.to_ne_bytes(), flags)
}

fn create_failed(name: &str, error: &io::Error) -> Error {
    system(&format!("create map '{name}'"), error)
}

fn system(what: &str, error: &io::Error) -> Error {
    match raw(error) {
        Some(Errno::PERM) => Error::Denied,
        _ => Error::System(format!("cannot {what}: {error}")),
    }
}

fn raw(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error)
}

/// An error with its causes. Some errors repeat the next one in their text.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let what = cause.to_string();
        if !text.ends_with(&what) {
            text = format!("{text}: {what}");
        }
        next = cause.source();
    }
    text
}
