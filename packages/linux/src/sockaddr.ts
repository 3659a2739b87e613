import { Buffer } from "node:buffer";
import { type SocketAddress, ipFromBytes, ipToBytes } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX } from "./constants.ts";

const UNIX_PATH_BYTES = 108;

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new MeshError(Code.BadInput, `Cannot write address: ${port} is not a port`);
}

/**
 * `sockaddr_in` or `sockaddr_in6`.
 * @param family writes an IPv4 address as v4-mapped when it is `ipv6`
 * @throws MeshError BAD_INPUT when ip or port is none
 */
export function encodeInet(address: SocketAddress, family: "ipv4" | "ipv6"): Buffer {
  checkPort(address.port);
  const ip = ipToBytes(address.ip);
  if (family === "ipv4") {
    if (ip.length !== 4) throw new MeshError(Code.BadInput, `Cannot write address: ${address.ip} is not IPv4`);
    const out = Buffer.alloc(16);
    out.writeUInt16LE(AF_INET, 0);
    out.writeUInt16BE(address.port, 2);
    out.set(ip, 4);
    return out;
  }
  const out = Buffer.alloc(28);
  out.writeUInt16LE(AF_INET6, 0);
  out.writeUInt16BE(address.port, 2);
  if (ip.length === 4) out.fill(0xff, 18, 20);
  out.set(ip, ip.length === 4 ? 20 : 8);
  return out;
}

/** @returns the IP and port (v4-mapped as IPv4), or null when the bytes are no complete `sockaddr_in` or `sockaddr_in6` */
export function decodeInet(bytes: Buffer): SocketAddress | null {
  const family = bytes.length >= 2 ? bytes.readUInt16LE(0) : -1;
  if (family === AF_INET && bytes.length >= 16)
    return { ip: ipFromBytes(bytes.subarray(4, 8)), port: bytes.readUInt16BE(2) };
  if (family === AF_INET6 && bytes.length >= 28)
    return { ip: ipFromBytes(bytes.subarray(8, 24)), port: bytes.readUInt16BE(2) };
  return null;
}

/**
 * `sockaddr_un` of a path; a leading NUL (`\0name`) makes it abstract.
 * @throws MeshError BAD_INPUT when it is empty, too long for the kernel, or holds another NUL
 */
export function encodeUnix(path: string): Buffer {
  const name = Buffer.from(path, "utf8");
  if (name.length === 0 || name.indexOf(0, 1) >= 0)
    throw new MeshError(Code.BadInput, "Cannot write address: the socket path is empty or holds a NUL");
  if (name.length >= UNIX_PATH_BYTES)
    throw new MeshError(
      Code.BadInput,
      `Cannot write address: socket path "${path}" has ${name.length} bytes, at most ${UNIX_PATH_BYTES - 1} are allowed`,
    );
  const abstract = name[0] === 0;
  const out = Buffer.alloc(2 + name.length + (abstract ? 0 : 1));
  out.writeUInt16LE(AF_UNIX, 0);
  out.set(name, 2);
  return out;
}

/** `sockaddr_nl`. @param portId 0 lets the kernel choose */
export function encodeNetlink(portId: number, groups: number): Buffer {
  const out = Buffer.alloc(12);
  out.writeUInt16LE(AF_NETLINK, 0);
  out.writeUInt32LE(portId >>> 0, 4);
  out.writeUInt32LE(groups >>> 0, 8);
  return out;
}

/** `sockaddr_ll` for capturing. @param protocol EtherType, @param index of the interface, 0 for all */
export function encodePacket(protocol: number, index: number): Buffer {
  const out = Buffer.alloc(20);
  out.writeUInt16LE(AF_PACKET, 0);
  out.writeUInt16BE(protocol, 2);
  out.writeInt32LE(index, 4);
  return out;
}
