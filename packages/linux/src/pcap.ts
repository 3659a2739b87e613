import { Buffer } from "node:buffer";
import fs from "node:fs";
import type { CapturedPacket } from "./packet-capture.ts";

const LINKTYPE_ETHERNET = 1;

/** The head of a pcap file: microseconds, little-endian, Ethernet. */
export function encodePcapHeader(snapBytes = 65_536): Buffer {
  const b = Buffer.alloc(24);
  b.writeUInt32LE(0xa1b2c3d4, 0);
  b.writeUInt16LE(2, 4);
  b.writeUInt16LE(4, 6);
  b.writeUInt32LE(snapBytes, 16);
  b.writeUInt32LE(LINKTYPE_ETHERNET, 20);
  return b;
}

/** One packet of a pcap file. */
export function encodePcapPacket(p: CapturedPacket): Buffer {
  const head = Buffer.alloc(16);
  const micros = Math.round(p.timeMs * 1000);
  head.writeUInt32LE(Math.floor(micros / 1e6), 0);
  head.writeUInt32LE(micros % 1e6, 4);
  head.writeUInt32LE(p.bytes.length, 8);
  head.writeUInt32LE(p.wireBytes, 12);
  return Buffer.concat([head, p.bytes]);
}

export interface PcapFile extends Disposable {
  /** @returns false when the file has reached its limit and the packet was left out */
  write(packet: CapturedPacket): boolean;
}

/** Creates a pcap file that Wireshark and tcpdump read. `maxBytes` bounds it. */
export function createPcapFile(path: string, maxBytes: number): PcapFile {
  const fd = fs.openSync(path, "w", 0o600);
  let size = fs.writeSync(fd, encodePcapHeader());
  let open = true;
  return {
    write(packet) {
      const bytes = encodePcapPacket(packet);
      if (!open || size + bytes.length > maxBytes) return false;
      size += fs.writeSync(fd, bytes);
      return true;
    },
    [Symbol.dispose]() {
      if (open) fs.closeSync(fd);
      open = false;
    },
  };
}
