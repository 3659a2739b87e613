import { Buffer } from "node:buffer";
import { native } from "../native.ts";

/** Room for any `sockaddr`. */
export const ADDRESS_BYTES = 128;
/** Of a msghdr and an iovec. */
const HEADER_BYTES = 56;
const IOV_BYTES = 16;
/** Of a cmsghdr. */
export const CONTROL_HEAD = 16;
/** SCM_MAX_FD of the kernel. */
export const MAX_FDS = 253;
const CONTROL_BYTES = CONTROL_HEAD + 4 * 256;
export const MAX_MESSAGE_BYTES = 65_536;

/** Memory whose address C is told. Allocated once per thread and referenced for the thread's life, so it never moves. */
export interface Scratch {
  readonly bytes: Buffer;
  readonly base: number;
}
export const AT = {
  address: 0,
  addressLength: ADDRESS_BYTES,
  header: ADDRESS_BYTES + 16,
  iov: ADDRESS_BYTES + 16 + HEADER_BYTES,
  control: ADDRESS_BYTES + 16 + HEADER_BYTES + IOV_BYTES,
  data: ADDRESS_BYTES + 16 + HEADER_BYTES + IOV_BYTES + CONTROL_BYTES,
} as const;

let scratchOfThread: Scratch | null = null;
export function scratch(): Scratch {
  if (scratchOfThread !== null) return scratchOfThread;
  const bytes = Buffer.allocUnsafeSlow(AT.data + MAX_MESSAGE_BYTES).fill(0);
  return (scratchOfThread = { bytes, base: native().addressOf(bytes) });
}
