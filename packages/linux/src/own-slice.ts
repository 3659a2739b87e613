import { Code, MeshError } from "@lateen/errors";
import { Memory } from "./memory.ts";
import { native } from "./native.ts";

/** `struct sched_attr` in its first version. */
const ATTRIBUTES_BYTES = 48;
const POLICY_AT = 4;
const RUNTIME_AT = 24;
const SCHED_OTHER = 0;
/** What the kernel accepts. */
const MIN_MICROS = 100;
const MAX_MICROS = 100_000;

/** The attributes of the calling thread; null when the kernel does not tell. */
function ownAttributes(): Memory | null {
  const memory = new Memory(ATTRIBUTES_BYTES);
  memory.bytes.fill(0);
  return native().schedGetattr(memory.address, ATTRIBUTES_BYTES) === 0 ? memory : null;
}

/** How long the calling thread wants to run at a stretch, in microseconds; 0 when it has not said, or the kernel knows no such wish. */
export function ownSliceMicros(): number {
  const memory = ownAttributes();
  if (memory === null || memory.bytes.readUInt32LE(POLICY_AT) !== SCHED_OTHER) return 0;
  return Math.floor(Number(memory.bytes.readBigUInt64LE(RUNTIME_AT)) / 1_000);
}

/**
 * Asks the kernel to run the calling thread in short stretches, and sooner in exchange: one that sleeps for events and does a little
 * for each then runs when its event comes, instead of after what others do at that moment. Its share of the processor stays the same,
 * and no privilege is needed. Linux 6.12 and newer (EEVDF); an older one ignores it, and so does a thread of another policy.
 * @param micros 100 to 100,000
 * @returns false when the kernel refuses, as a filter of system calls may
 * @throws MeshError BUG when `micros` is out of range
 */
export function setOwnSlice(micros: number): boolean {
  if (!(Number.isInteger(micros) && micros >= MIN_MICROS && micros <= MAX_MICROS))
    throw new MeshError(Code.Bug, `Cannot set slice: ${micros} is not ${MIN_MICROS} to ${MAX_MICROS} microseconds`);
  const memory = ownAttributes();
  if (memory === null) return false;
  if (memory.bytes.readUInt32LE(POLICY_AT) !== SCHED_OTHER) return true;
  memory.bytes.writeBigUInt64LE(BigInt(micros) * 1_000n, RUNTIME_AT);
  return native().schedSetattr(memory.address) === 0;
}
