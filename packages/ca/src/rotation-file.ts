import type { Result } from "@lateen/errors";
import type { RootPair, Rotation } from "./rotation-machine.ts";

/** One file of the key store, so that each step is one write: a restart at any moment finds one phase or the next. */
export const ROTATION_FILE = "rotation.json";

export function formatRotation(s: Rotation): string {
  return `${JSON.stringify(s, null, 1)}\n`;
}

/** @returns why a text is no state of a rotation */
export function parseRotation(text: string): Result<Rotation, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (e) {
    return no(e instanceof Error ? e.message : String(e));
  }
  if (!isRecord(value)) return no("it is no object");
  const { phase, serial, sinceMs } = value;
  if (!isCount(serial) || !isCount(sinceMs)) return no("serial and sinceMs must be numbers from 0");
  if (phase === "none") {
    const last = lastOf(value["last"]);
    return last === undefined ? no("last must be null or an outcome") : yes({ phase, serial, sinceMs, last });
  }
  const { current, direction, expiredMs, othersExpiredMs, other, retiredPem } = value;
  if (direction !== "forward" && direction !== "back") return no("direction must be forward or back");
  if (!isPair(current) || !isCount(expiredMs) || !isCount(othersExpiredMs))
    return no("current, expiredMs and othersExpiredMs are needed");
  const under = { serial, sinceMs, current: onlyPair(current), direction, expiredMs, othersExpiredMs } as const;
  if (phase === "retire")
    return typeof retiredPem === "string" ? yes({ ...under, phase, retiredPem }) : no("retiredPem is needed");
  if (phase !== "distribute" && phase !== "switch") return no("its phase is unknown");
  return isPair(other) ? yes({ ...under, phase, other: onlyPair(other) }) : no("other is needed");
}

const yes = (value: Rotation): Result<Rotation, string> => ({ ok: true, value });
const no = (error: string): Result<Rotation, string> => ({ ok: false, error });

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0;
const isPair = (value: unknown): value is RootPair =>
  isRecord(value) && typeof value["keyPem"] === "string" && typeof value["certPem"] === "string";
const onlyPair = ({ keyPem, certPem }: RootPair): RootPair => ({ keyPem, certPem });

function lastOf(value: unknown): Extract<Rotation, { phase: "none" }>["last"] | undefined {
  if (value === null) return null;
  if (!isRecord(value) || !isCount(value["endedMs"])) return undefined;
  const { outcome, endedMs } = value;
  return outcome === "rotated" || outcome === "rolled back" ? { outcome, endedMs } : undefined;
}
