//! Loading the program, with the maps that all processes share.

use super::{BPFFS, Error, FOLDER, Group, NONCE, PROGRAM, Transport};
use crate::object_file;
use aya::maps::{Array, Map, MapData, MapError};
use aya::programs::{ProgramError, SkReuseport};
use aya::{Ebpf, EbpfError, EbpfLoader};
use rustix::io::Errno;
use std::error::Error as StdError;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// `BPF_FS_MAGIC` of linux/magic.h.
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
/// `BPF_NOEXIST`: the place must be empty.
const EMPTY_ONLY: u64 = 1;
/// Bytes of the object file at most: a program has 1 million instructions of 8 bytes at most, and debug information.
const MAX_FILE: u64 = 64 << 20;
/// Characters of the kernel's reasons that are shown.
const MAX_REASONS: usize = 600;

pub(crate) fn check(program: &Path, transport: Transport) -> Result<(), Error> {
    let file = read(program).map_err(Error::File)?;
    object_file::check(&file, transport)
}

pub(crate) fn join(group: &Group, transport: Transport, sockets: &[BorrowedFd<'_>]) -> Result<(), Error> {
    let file = read(&group.program).map_err(Error::File)?;
    create_folder(&group.folder)?;
    // Two processes that start at the same time may both create a map: the second one finds that of the first.
    let mut program = match load(&file, &group.folder) {
        Err(error) if raw_error(&error) == Some(Errno::EXIST) => load(&file, &group.folder),
        other => other,
    }
    .map_err(describe)?;

    // The program refers to its maps by descriptors until it is loaded; taking a map out closes its descriptor.
    load_program(&mut program)?;
    set_nonce(&mut program, &group.folder)?;
    // A socket is put into the map before the program is attached, so that no moment is lost in which the program selects an
    // empty place.
    let name = transport.map();
    let mut targets = match program.take_map(name) {
        Some(Map::ReusePortSockArray(map)) => Targets::new(name, map, &group.folder)?,
        Some(_) => return Err(Error::WrongMap(name)),
        None => return Err(Error::NoMap(name)),
    };
    for (socket, place) in sockets.iter().zip(group.place..) {
        targets.put(place, *socket)?;
    }
    let Some(socket) = sockets.first() else { return Ok(()) };
    let selector = selector(&mut program)?;
    selector.attach(socket).map_err(|error| Error::System(format!("cannot attach the program: {}", chain(&error))))
}

/// Reads the object file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let len = fs::metadata(path)?.len();
    if len > MAX_FILE {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {MAX_FILE} bytes")));
    }
    let mut file = fs::read(path)?;
    object_file::cut_suffixes(&mut file);
    Ok(file)
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

/// Creates or finds the maps.
fn load(file: &[u8], folder: &Path) -> Result<Ebpf, EbpfError> {
    let mut loader = EbpfLoader::new();
    // Without these maps in common there is no cluster, whatever the program says about pinning.
    for map in ["nonce", Transport::Udp.map(), Transport::Tcp.map()] {
        loader.map_pin_path(map, folder.join(map));
    }
    loader.default_map_pin_directory(folder).allow_unsupported_maps().load(file)
}

fn selector(program: &mut Ebpf) -> Result<&mut SkReuseport, Error> {
    program.program_mut(PROGRAM).and_then(|program| program.try_into().ok()).ok_or(Error::NoProgram)
}

/// Lets the kernel verify the program.
fn load_program(program: &mut Ebpf) -> Result<(), Error> {
    selector(program)?.load().map_err(|error| match error {
        // The verifier's objections are EACCES.
        ProgramError::LoadError { io_error, .. } if raw_error(&io_error) == Some(Errno::PERM) => Error::Denied,
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let reasons = log.trim_matches(['"', '\0']).replace("\\n", "\n");
            let from = reasons.char_indices().rev().nth(MAX_REASONS).map_or(0, |(at, _)| at);
            let reasons = reasons.get(from..).unwrap_or_default();
            let reasons = reasons.lines().map(str::trim).filter(|line| !line.is_empty());
            Error::Rejected(format!("{io_error}: {}", reasons.collect::<Vec<_>>().join("; ")))
        }
        other => describe(other.into()),
    })
}

/// Writes the nonce, if the program has one.
fn set_nonce(program: &mut Ebpf, folder: &Path) -> Result<(), Error> {
    const NAME: &str = "nonce";
    let map = match program.take_map(NAME) {
        None => return Ok(()),
        Some(Map::Array(map)) => map,
        Some(_) => return Err(Error::WrongMap(NAME)),
    };
    Words::new(NAME, map, folder)?.set(0, NONCE, 0).map_err(|error| system("write the nonce", &error))
}

/// A map with keys of 4 bytes and values of 4 or 8: also that of sockets, whose values are file descriptors when they are written.
enum Words {
    Four(Array<MapData, u32>),
    Eight(Array<MapData, u64>),
}

impl Words {
    /// The map, if it is the one that the program describes.
    fn new(name: &'static str, map: MapData, folder: &Path) -> Result<Self, Error> {
        let found = map.info().map_err(|error| system("inspect a map", &error))?;
        let (kind, size) = (found.map_type(), found.value_size());
        let is_array = matches!(kind, Ok(aya::maps::MapType::Array | aya::maps::MapType::ReuseportSockArray));
        let words = match size {
            4 => Array::try_from(Map::Array(map)).map(Self::Four),
            8 => Array::try_from(Map::Array(map)).map(Self::Eight),
            _ => return Err(Error::WrongMap(name)),
        };
        let different = || Error::DifferentMap(folder.join(name));
        let words = words.map_err(|error| match error {
            MapError::InvalidKeySize { .. } => Error::WrongMap(name),
            _ => different(),
        })?;
        let is_same = is_array && found.key_size() == 4 && found.max_entries() == words.len();
        if is_same { Ok(words) } else { Err(different()) }
    }

    fn len(&self) -> u32 {
        match self {
            Self::Four(map) => map.len(),
            Self::Eight(map) => map.len(),
        }
    }

    fn set(&mut self, key: u32, value: u32, flags: u64) -> Result<(), MapError> {
        match self {
            Self::Four(map) => map.set(key, value, flags),
            Self::Eight(map) => map.set(key, u64::from(value), flags),
        }
    }
}

/// The sockets from which the program selects.
struct Targets(Words);

impl Targets {
    fn new(name: &'static str, map: MapData, folder: &Path) -> Result<Self, Error> {
        Words::new(name, map, folder).map(Self)
    }

    /// Puts a socket at an empty place.
    fn put(&mut self, place: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        let places = self.0.len();
        if place >= places {
            return Err(Error::Beyond { place, places });
        }
        let descriptor = u32::try_from(socket.as_raw_fd()).map_err(|_| Error::System("not a socket".into()))?;
        self.0.set(place, descriptor, EMPTY_ONLY).map_err(|error| match raw_error(&error) {
            Some(Errno::EXIST) => Error::Taken(place),
            _ => system("put the socket into the map", &error),
        })
    }
}

fn system(what: &str, error: &(dyn StdError + 'static)) -> Error {
    match raw_error(error) {
        Some(Errno::PERM) => Error::Denied,
        _ => Error::System(format!("cannot {what}: {}", chain(error))),
    }
}

fn describe(error: EbpfError) -> Error {
    match raw_error(&error) {
        Some(Errno::PERM) => Error::Denied,
        _ => Error::Object(chain(&error)),
    }
}

/// The error of the system call behind an error, if there is one.
fn raw_error(error: &(dyn StdError + 'static)) -> Option<Errno> {
    causes(error).find_map(|error| error.downcast_ref::<io::Error>()).and_then(Errno::from_io_error)
}

/// An error with its causes. Some errors repeat the next one in their text.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// An error, its cause, and so on.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
