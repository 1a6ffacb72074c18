//! The classic BPF program by which the kernel chooses a worker for a datagram.
//!
//! Templates and sequence numbers belong to an exporter. If all datagrams of an exporter reach the same worker, workers
//! need not share this state. By default, the kernel chooses among sockets that share a port by the source port, too, and
//! some exporters send from several ports (or from a new one after each restart). So this program replaces the default:
//! it uses the source address alone.
//!
//! ```text
//!         version of the IP header
//!         IPv6:  the four words of the source address, xor
//!         else:  the source address
//!         times a large odd number, upper half, modulo the number of workers
//! ```
//!
//! A datagram over IPv4 has an IPv4 header even if the socket is for both families, so mapped addresses need no special case.

/// One instruction: `code`, the jumps if true and if false, and the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) operand: u32,
}

/// Number of instructions.
pub(super) const LENGTH: usize = 19;

// Classic BPF's codes: class, size or operation, mode or source.
const LOAD_WORD: u16 = 0x20; // LD | W | ABS
const LOAD_BYTE: u16 = 0x30; // LD | B | ABS
const SHIFT_RIGHT: u16 = 0x74; // ALU | RSH | K
const MULTIPLY: u16 = 0x24; // ALU | MUL | K
const MODULO: u16 = 0x94; // ALU | MOD | K
const XOR_INDEX: u16 = 0xac; // ALU | XOR | X
const TO_INDEX: u16 = 0x07; // MISC | TAX
const JUMP: u16 = 0x05; // JMP | JA
const JUMP_EQUAL: u16 = 0x15; // JMP | JEQ | K
const RETURN: u16 = 0x16; // RET | A

/// Offsets from here count from the IP header (`SKF_NET_OFF`, -0x100000).
const NETWORK: u32 = 0xfff0_0000;
/// 2 to the 32nd divided by the golden ratio: neighbouring addresses end up far apart in the upper half of the product.
const MULTIPLIER: u32 = 0x9e37_79b1;

/// The program for this number of workers.
pub(super) fn program(workers: u32) -> [Instruction; LENGTH] {
    let step = |code, operand| Instruction { code, if_true: 0, if_false: 0, operand };
    [
        step(LOAD_BYTE, NETWORK),
        step(SHIFT_RIGHT, 4),
        Instruction { code: JUMP_EQUAL, if_true: 2, if_false: 0, operand: 6 },
        step(LOAD_WORD, NETWORK + 12),
        step(JUMP, 10),
        step(LOAD_WORD, NETWORK + 8),
        step(TO_INDEX, 0),
        step(LOAD_WORD, NETWORK + 12),
        step(XOR_INDEX, 0),
        step(TO_INDEX, 0),
        step(LOAD_WORD, NETWORK + 16),
        step(XOR_INDEX, 0),
        step(TO_INDEX, 0),
        step(LOAD_WORD, NETWORK + 20),
        step(XOR_INDEX, 0),
        step(MULTIPLY, MULTIPLIER),
        step(SHIFT_RIGHT, 16),
        step(MODULO, workers.max(1)),
        step(RETURN, 0),
    ]
}
