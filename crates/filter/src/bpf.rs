//! Berkeley Packet Filter programs and their interpreter.
//!
//! The machine has an accumulator, an index register and 16 words of memory, and loads from the packet in network byte order. A load
//! beyond the packet ends the program with "no match", as does a division by zero. A program may jump back (`protochain` does), so the
//! number of its steps is bounded.

/// Limit on the steps of a run in addition to the length of the program, for backward jumps. libpcap's loops follow the extension
/// headers of a packet, some twenty steps each, so this is enough for any packet in a network.
const MAX_EXTRA_STEPS: usize = 20_000;
/// Words of memory.
const MEMORY: usize = 16;

/// An instruction in the format of the kernel and libpcap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Class, size and mode.
    pub code: u16,
    /// Steps to skip if true.
    pub jt: u8,
    /// Steps to skip if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Word,
    Half,
    Byte,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Lsh,
    Rsh,
    Neg,
    Mod,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    Greater,
    GreaterEqual,
    AnyBit,
}

/// An operand: a constant or the index register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    K(u32),
    X,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    LoadAt(Size, u32),
    LoadIndexed(Size, u32),
    Load(u32),
    LoadMemory(u8),
    LoadLength,
    LoadX(u32),
    LoadXMemory(u8),
    LoadXLength,
    /// The length of the IPv4 header at this offset.
    LoadXHeader(u32),
    Store(u8),
    StoreX(u8),
    Compute(Alu, Operand),
    Jump(u32),
    Branch(Test, Operand, u8, u8),
    Return(u32),
    ReturnA,
    ToX,
    FromX,
}

/// A validated program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    steps: Box<[Step]>,
}

/// An unknown instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its number in the program.
    pub number: usize,
    /// Its code.
    pub code: u16,
}

impl Program {
    /// Validates a program.
    ///
    /// # Errors
    /// If an instruction is not supported.
    pub fn new(raw: &[Raw]) -> Result<Self, Unknown> {
        let read = |(number, raw): (usize, &Raw)| step(raw).ok_or(Unknown { number, code: raw.code });
        Ok(Self { steps: raw.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// True if the packet matches. `length` is that on the wire, of which `packet` may be a part.
    pub fn matches(&self, packet: &[u8], length: u32) -> bool {
        let (mut a, mut x) = (0u32, 0u32);
        let mut memory = [0u32; MEMORY];
        let mut at = 0usize;
        for _ in 0..self.steps.len() + MAX_EXTRA_STEPS {
            let Some(step) = self.steps.get(at) else { return false };
            at += 1;
            match *step {
                Step::LoadAt(size, k) => match load(packet, size, k) {
                    Some(value) => a = value,
                    None => return false,
                },
                Step::LoadIndexed(size, k) => match x.checked_add(k).and_then(|at| load(packet, size, at)) {
                    Some(value) => a = value,
                    None => return false,
                },
                Step::Load(k) => a = k,
                Step::LoadMemory(word) => a = memory.get(usize::from(word)).copied().unwrap_or(0),
                Step::LoadLength => a = length,
                Step::LoadX(k) => x = k,
                Step::LoadXMemory(word) => x = memory.get(usize::from(word)).copied().unwrap_or(0),
                Step::LoadXLength => x = length,
                Step::LoadXHeader(k) => match load(packet, Size::Byte, k) {
                    Some(value) => x = (value & 0xf) * 4,
                    None => return false,
                },
                Step::Store(word) => {
                    if let Some(cell) = memory.get_mut(usize::from(word)) {
                        *cell = a;
                    }
                }
                Step::StoreX(word) => {
                    if let Some(cell) = memory.get_mut(usize::from(word)) {
                        *cell = x;
                    }
                }
                Step::Compute(alu, operand) => match compute(alu, a, value(operand, x)) {
                    Some(result) => a = result,
                    None => return false,
                },
                // A distance is signed: jumps may go back.
                Step::Jump(k) => at = at.wrapping_add_signed(k as i32 as isize),
                Step::Branch(test, operand, jt, jf) => {
                    let operand = value(operand, x);
                    let holds = match test {
                        Test::Equal => a == operand,
                        Test::Greater => a > operand,
                        Test::GreaterEqual => a >= operand,
                        Test::AnyBit => a & operand != 0,
                    };
                    at += usize::from(if holds { jt } else { jf });
                }
                Step::Return(k) => return k != 0,
                Step::ReturnA => return a != 0,
                Step::ToX => x = a,
                Step::FromX => a = x,
            }
        }
        false
    }
}

#[inline]
fn value(operand: Operand, x: u32) -> u32 {
    match operand {
        Operand::K(k) => k,
        Operand::X => x,
    }
}

#[inline]
fn load(packet: &[u8], size: Size, at: u32) -> Option<u32> {
    let octets = packet.get(at as usize..)?;
    Some(match size {
        Size::Word => u32::from_be_bytes(*octets.first_chunk()?),
        Size::Half => u32::from(u16::from_be_bytes(*octets.first_chunk()?)),
        Size::Byte => u32::from(*octets.first()?),
    })
}

#[inline]
fn compute(alu: Alu, a: u32, operand: u32) -> Option<u32> {
    Some(match alu {
        Alu::Add => a.wrapping_add(operand),
        Alu::Sub => a.wrapping_sub(operand),
        Alu::Mul => a.wrapping_mul(operand),
        Alu::Div => a.checked_div(operand)?,
        Alu::Mod => a.checked_rem(operand)?,
        Alu::Or => a | operand,
        Alu::And => a & operand,
        Alu::Xor => a ^ operand,
        Alu::Lsh => a.checked_shl(operand).unwrap_or(0),
        Alu::Rsh => a.checked_shr(operand).unwrap_or(0),
        Alu::Neg => a.wrapping_neg(),
    })
}

fn step(raw: &Raw) -> Option<Step> {
    let Raw { code, jt, jf, k } = *raw;
    let operand = if code & 0x08 == 0 { Operand::K(k) } else { Operand::X };
    let size = || match code & 0x18 {
        0x00 => Some(Size::Word),
        0x08 => Some(Size::Half),
        0x10 => Some(Size::Byte),
        _ => None,
    };
    let word = || u8::try_from(k).ok().filter(|word| usize::from(*word) < MEMORY);
    Some(match (code & 0x07, code & 0xe0) {
        (0x00, 0x20) => Step::LoadAt(size()?, k),
        (0x00, 0x40) => Step::LoadIndexed(size()?, k),
        (0x00, 0x00) => Step::Load(k),
        (0x00, 0x60) => Step::LoadMemory(word()?),
        (0x00, 0x80) => Step::LoadLength,
        (0x01, 0x00) => Step::LoadX(k),
        (0x01, 0x60) => Step::LoadXMemory(word()?),
        (0x01, 0x80) => Step::LoadXLength,
        (0x01, 0xa0) => Step::LoadXHeader(k),
        (0x02, _) => Step::Store(word()?),
        (0x03, _) => Step::StoreX(word()?),
        (0x04, _) => {
            let alu = match code & 0xf0 {
                0x00 => Alu::Add,
                0x10 => Alu::Sub,
                0x20 => Alu::Mul,
                0x30 => Alu::Div,
                0x40 => Alu::Or,
                0x50 => Alu::And,
                0x60 => Alu::Lsh,
                0x70 => Alu::Rsh,
                0x80 => Alu::Neg,
                0x90 => Alu::Mod,
                0xa0 => Alu::Xor,
                _ => return None,
            };
            Step::Compute(alu, operand)
        }
        (0x05, _) => {
            let test = match code & 0xf0 {
                0x00 => return Some(Step::Jump(k)),
                0x10 => Test::Equal,
                0x20 => Test::Greater,
                0x30 => Test::GreaterEqual,
                0x40 => Test::AnyBit,
                _ => return None,
            };
            Step::Branch(test, operand, jt, jf)
        }
        (0x06, _) => match code & 0x18 {
            0x00 => Step::Return(k),
            0x10 => Step::ReturnA,
            _ => return None,
        },
        (0x07, _) => match code & 0xf8 {
            0x00 => Step::ToX,
            0x80 => Step::FromX,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(code: u16, jt: u8, jf: u8, k: u32) -> Raw {
        Raw { code, jt, jf, k }
    }

    #[test]
    fn loads_beyond_the_packet_and_endless_loops_match_nothing() {
        let beyond = Program::new(&[raw(0x20, 0, 0, 1), raw(0x06, 0, 0, 1)]).unwrap();
        assert!(!beyond.matches(&[1, 2, 3, 4], 4));
        assert!(beyond.matches(&[1, 2, 3, 4, 5], 5));
        let endless = Program::new(&[raw(0x05, 0, 0, u32::MAX)]).unwrap();
        assert!(!endless.matches(&[], 0));
        let divided = Program::new(&[raw(0x34, 0, 0, 0), raw(0x06, 0, 0, 1)]).unwrap();
        assert!(!divided.matches(&[], 0));
    }

    #[test]
    fn rejects_unknown_instructions() {
        assert_eq!(Program::new(&[raw(0xffff, 0, 0, 0)]), Err(Unknown { number: 0, code: 0xffff }));
        assert_eq!(Program::new(&[raw(0x60, 0, 0, 16)]), Err(Unknown { number: 0, code: 0x60 }));
    }
}
