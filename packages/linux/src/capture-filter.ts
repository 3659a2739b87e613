import { Buffer } from "node:buffer";

const LD_HALF = 0x28; // A = half-word at k
const LD_BYTE = 0x30;
const LD_HALF_X = 0x48; // A = half-word at X + k
const LD_X_IP_HEADER = 0xb1; // X = 4 * (byte at k & 15)
const JUMP_EQUAL = 0x15;
const JUMP_BITS = 0x45;
const RETURN = 0x06;

const ETHERTYPE = 12;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const TCP = 6;
/** The fragment's offset in the flags of an IPv4 header: beyond 0 there is no TCP header. */
const FRAGMENT_OFFSET = 0x1fff;
const WHOLE_PACKET = 0x4_0000;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

/**
 * A program for the kernel that keeps every Ethernet frame but those of TCP from or to one port. IPv6 with extension headers
 * is kept: this leaves out only what it is sure of.
 * @see packet(7), `SO_ATTACH_FILTER`; each instruction is a `struct sock_filter`
 */
export function exceptTcpPort(port: number): Buffer {
  // Jumps count the instructions that they pass over; 18 keeps, 19 drops.
  const program: readonly Instruction[] = [
    /*  0 */ [LD_HALF, 0, 0, ETHERTYPE],
    /*  1 */ [JUMP_EQUAL, 0, 9, IPV4],
    /*  2 */ [LD_BYTE, 0, 0, 14 + 9],
    /*  3 */ [JUMP_EQUAL, 0, 14, TCP],
    /*  4 */ [LD_HALF, 0, 0, 14 + 6],
    /*  5 */ [JUMP_BITS, 12, 0, FRAGMENT_OFFSET],
    /*  6 */ [LD_X_IP_HEADER, 0, 0, 14],
    /*  7 */ [LD_HALF_X, 0, 0, 14],
    /*  8 */ [JUMP_EQUAL, 10, 0, port],
    /*  9 */ [LD_HALF_X, 0, 0, 14 + 2],
    /* 10 */ [JUMP_EQUAL, 8, 7, port],
    /* 11 */ [JUMP_EQUAL, 0, 6, IPV6],
    /* 12 */ [LD_BYTE, 0, 0, 14 + 6],
    /* 13 */ [JUMP_EQUAL, 0, 4, TCP],
    /* 14 */ [LD_HALF, 0, 0, 14 + 40],
    /* 15 */ [JUMP_EQUAL, 3, 0, port],
    /* 16 */ [LD_HALF, 0, 0, 14 + 42],
    /* 17 */ [JUMP_EQUAL, 1, 0, port],
    /* 18 */ [RETURN, 0, 0, WHOLE_PACKET],
    /* 19 */ [RETURN, 0, 0, 0],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, ifTrue, ifFalse, k], i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(ifTrue, i * 8 + 2);
    bytes.writeUInt8(ifFalse, i * 8 + 3);
    bytes.writeUInt32LE(k, i * 8 + 4);
  });
  return bytes;
}
