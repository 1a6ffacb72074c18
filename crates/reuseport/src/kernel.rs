//! The system call `bpf`, and the socket option that attaches a program: nothing safe has them without far more than that.
//!
//! Each command has attributes, of which these structures are the beginning, as linux/bpf.h declares it; the kernel takes what is
//! missing at the end as zero. Pointers are 64-bit numbers.

use aya_obj::generated::{bpf_attach_type, bpf_cmd, bpf_insn, bpf_prog_type};
use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The names of maps and programs, for tools that list them; zeros are at the end.
pub(crate) type Name = [u8; 16];

/// What maps have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Shape {
    pub(crate) kind: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
}

#[repr(C)]
struct MapCreate {
    shape: Shape,
    inner_map: u32,
    numa_node: u32,
    name: Name,
}

#[repr(C)]
struct MapElement {
    map: RawFd,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ObjectPath {
    path: u64,
    object: RawFd,
    flags: u32,
}

#[repr(C)]
struct ProgramLoad {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: Name,
    interface: u32,
    attach_type: u32,
}

#[repr(C)]
struct InfoByFd {
    object: RawFd,
    len: u32,
    info: u64,
}

/// The beginning of `struct bpf_map_info`; its fields are in another order than those of [`Shape`].
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

/// Creates a map.
pub(crate) fn create_map(shape: Shape, name: Name) -> io::Result<OwnedFd> {
    let attributes = MapCreate { shape, inner_map: 0, numa_node: 0, name };
    // SAFETY: the attributes have no pointers. A new descriptor is returned, which nothing else owns.
    unsafe { bpf(bpf_cmd::BPF_MAP_CREATE, &attributes).map(|map| OwnedFd::from_raw_fd(map)) }
}

/// What a map is.
pub(crate) fn shape(map: BorrowedFd<'_>) -> io::Result<Shape> {
    let mut info = MapInfo::default();
    let at = (&raw mut info).addr_u64();
    let attributes = InfoByFd { object: map.as_raw_fd(), len: size::<MapInfo>(), info: at };
    // SAFETY: the pointer leads to a structure of numbers that outlives the call, and its size is given.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &attributes)? };
    let MapInfo { kind, key_size, value_size, max_entries, flags, .. } = info;
    Ok(Shape { kind, key_size, value_size, max_entries, flags })
}

/// Writes a value. The key and the value must have the sizes of the map.
///
/// # Errors
/// `InvalidInput` if they have not, and those of the kernel.
pub(crate) fn update(map: BorrowedFd<'_>, key: u32, value: &[u8], flags: u64) -> io::Result<()> {
    let shape = shape(map)?;
    if shape.key_size != size::<u32>() || usize::try_from(shape.value_size) != Ok(value.len()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (key, value) = ((&raw const key).addr_u64(), value.as_ptr().addr_u64());
    let attributes = MapElement { map: map.as_raw_fd(), padding: 0, key, value, flags };
    // SAFETY: both pointers lead to as many bytes as the map has for them, which was just checked; they outlive the call, in
    // which the kernel only reads them.
    unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &attributes) }.map(drop)
}

/// Makes a map read-only for system calls.
pub(crate) fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the attributes have no pointers; the first field is the descriptor, all others are zero.
    unsafe { bpf(bpf_cmd::BPF_MAP_FREEZE, &map.as_raw_fd()) }.map(drop)
}

/// Gives an object a name in a BPF file system.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let attributes = ObjectPath { path: path.as_ptr().addr_u64(), object: object.as_raw_fd(), flags: 0 };
    // SAFETY: the path ends with a zero and outlives the call; the kernel only reads it.
    unsafe { bpf(bpf_cmd::BPF_OBJ_PIN, &attributes) }.map(drop)
}

/// Opens an object that has a name.
pub(crate) fn open(path: &CStr) -> io::Result<OwnedFd> {
    let attributes = ObjectPath { path: path.as_ptr().addr_u64(), object: 0, flags: 0 };
    // SAFETY: as for `pin`. A new descriptor is returned, which nothing else owns.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET, &attributes).map(|object| OwnedFd::from_raw_fd(object)) }
}

/// Lets the kernel verify and load a program that selects sockets. The verifier writes its reasons to `log`.
pub(crate) fn load_program(
    instructions: &[bpf_insn],
    license: &CStr,
    attach_type: bpf_attach_type,
    name: Name,
    log: &mut [u8],
) -> io::Result<OwnedFd> {
    let count = |len: usize| u32::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let attributes = ProgramLoad {
        kind: bpf_prog_type::BPF_PROG_TYPE_SK_REUSEPORT as u32,
        instruction_count: count(instructions.len())?,
        instructions: instructions.as_ptr().addr_u64(),
        license: license.as_ptr().addr_u64(),
        log_level: u32::from(!log.is_empty()),
        log_size: count(log.len())?,
        log: if log.is_empty() { 0 } else { log.as_mut_ptr().addr_u64() },
        kernel_version: 0,
        flags: 0,
        name,
        interface: 0,
        attach_type: attach_type as u32,
    };
    // SAFETY: the pointers lead to as many instructions (8 bytes each, in the kernel's layout) and bytes as the attributes say, and
    // to text that ends with a zero; all outlive the call. The kernel writes to the log alone, which is borrowed mutably.
    // A new descriptor is returned, which nothing else owns.
    unsafe { bpf(bpf_cmd::BPF_PROG_LOAD, &attributes).map(|program| OwnedFd::from_raw_fd(program)) }
}

/// Lets a program select among the sockets of the group of this one.
pub(crate) fn attach(socket: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let descriptor = program.as_raw_fd();
    // SAFETY: the pointer leads to an int that outlives the call, and its size is given; the kernel only reads it.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_EBPF,
            (&raw const descriptor).cast(),
            size::<RawFd>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The system call.
///
/// # Safety
/// `T` must be the beginning of the attributes of the command, without padding. What its pointers lead to must be valid for the
/// command during the call.
unsafe fn bpf<T>(command: bpf_cmd, attributes: &T) -> io::Result<RawFd> {
    // SAFETY: the pointer leads to a T, whose size is given, and the kernel does not write to it. The rest is the caller's promise.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, std::ptr::from_ref(attributes), mem::size_of::<T>())
    };
    match RawFd::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

const fn size<T>() -> u32 {
    mem::size_of::<T>() as u32
}

/// Pointers as the kernel wants them.
trait Address {
    fn addr_u64(self) -> u64;
}

impl<T> Address for *const T {
    fn addr_u64(self) -> u64 {
        self.expose_provenance() as u64
    }
}

impl<T> Address for *mut T {
    fn addr_u64(self) -> u64 {
        self.expose_provenance() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets are those of linux/bpf.h, in which all fields are aligned.
    #[test]
    fn structures_have_the_layout_of_the_kernel() {
        assert_eq!((size::<Shape>(), size::<MapCreate>(), size::<MapElement>()), (20, 44, 32));
        assert_eq!((size::<ObjectPath>(), size::<InfoByFd>(), size::<MapInfo>()), (16, 16, 24));
        assert_eq!(mem::offset_of!(ProgramLoad, log), 32);
        assert_eq!(mem::offset_of!(ProgramLoad, attach_type), 68);
        assert_eq!((size::<ProgramLoad>(), size::<bpf_insn>()), (72, 8));
    }
}
