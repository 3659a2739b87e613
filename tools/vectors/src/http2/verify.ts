import { ERROR_CODES, Flag, type Frame, Type, readU32 } from "./frames.ts";
import type { Peer, Seen } from "./peer.ts";

/** One check of the suite, by its name there. */
export interface Check {
  readonly check: string;
  /** Names of error codes; empty: any but NO_ERROR. */
  readonly codes: readonly string[];
}

type Test = (seen: Seen) => boolean;

const isFrame =
  (type: number, test: (f: Frame) => boolean = () => true): Test =>
  (s) =>
    s.t === "frame" && s.frame.type === type && test(s.frame);
const isClosed: Test = (s) => s.t === "closed";
const acks = (f: Frame): boolean => (f.flags & Flag.Ack) !== 0;
const ends = (f: Frame): boolean => (f.flags & Flag.EndStream) !== 0;
const either =
  (...tests: readonly Test[]): Test =>
  (s) =>
    tests.some((test) => test(s));

/** @param at where the code stands in the payload */
const carries =
  (codes: readonly string[], at: number) =>
  (f: Frame): boolean => {
    const code = readU32(f.payload, at);
    return codes.length === 0 ? code !== 0 : codes.some((name) => ERROR_CODES[name] === code);
  };
const goaway = (codes: readonly string[]): Test => isFrame(Type.Goaway, carries(codes, 4));
const reset = (codes: readonly string[]): Test => isFrame(Type.RstStream, carries(codes, 0));

/**
 * What satisfies each check. Stricter than the suite in one thing: an endpoint that says why it closes must say the right thing;
 * the end of the connection alone is enough only when no GOAWAY came.
 */
function testOf(check: Check, peer: Peer, action: string): Test {
  const silent = !peer.seen.some(isFrame(Type.Goaway));
  const closed: Test = (s) => silent && isClosed(s);
  switch (check.check) {
    case "VerifyConnectionError":
      return either(goaway(check.codes), closed);
    case "VerifyStreamError":
      return either(goaway(check.codes), reset(check.codes), closed);
    case "VerifyConnectionClose":
      return isClosed;
    case "VerifyStreamClose":
      return either(
        isFrame(Type.Headers, ends),
        isFrame(Type.Data, ends),
        isFrame(Type.RstStream, (f) => readU32(f.payload, 0) === 0),
      );
    case "VerifyHeadersFrame":
      return isFrame(Type.Headers, (f) => f.streamId === peer.id);
    case "VerifySettingsFrameWithAck":
      return isFrame(Type.Settings, acks);
    case "VerifyPingFrameWithAck":
      return isFrame(Type.Ping, acks);
    case "VerifyPingFrameOrConnectionClose":
      return either(isFrame(Type.Ping, acks), isClosed);
    case "VerifyEventType":
      // The suite does not say which type. Where it sends a PING with odd flags it waits for the PING, elsewhere for the answer's body.
      return isFrame(/ a frame with /.test(action) ? Type.Ping : Type.Data);
    default:
      throw new TypeError(`no check ${check.check}`);
  }
}

/** What must come when the suite names no check: its own words say so. */
function testsOfRequirement(requirement: string): readonly Test[] {
  if (/connection preface/.test(requirement)) return [isFrame(Type.Settings, (f) => !acks(f))];
  const [, kind, code] = /(GOAWAY|RST_STREAM) frame(?: with a ([A-Z_]+)_ERROR code)?/.exec(requirement) ?? [];
  if (kind === undefined) throw new TypeError(`cannot read the requirement ${JSON.stringify(requirement)}`);
  const codes = code === undefined ? [] : [pascal(code)];
  return [kind === "GOAWAY" ? goaway(codes) : reset(codes)];
}

const pascal = (name: string): string =>
  name
    .toLowerCase()
    .split("_")
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join("");

export interface Expectation {
  readonly requirement: string;
  readonly checks: readonly Check[];
  readonly dataLengths: readonly number[];
}

/** @returns what is missing, or null. Checks are met one after the other by what the endpoint did, in order. */
export function missing(peer: Peer, action: string, want: Expectation): string | null {
  const names = want.checks.map((check) => check.check);
  const tests =
    want.checks.length + want.dataLengths.length === 0
      ? testsOfRequirement(want.requirement)
      : want.checks.map((check) => testOf(check, peer, action));
  let at = 0;
  for (const [i, test] of tests.entries()) {
    const found = peer.seen.slice(at).findIndex(test);
    if (found < 0) return `${names[i] ?? want.requirement}: the endpoint did ${describe(peer.seen)}`;
    at += found + 1;
  }
  const lengths = peer.seen.flatMap((s) =>
    s.t === "frame" && s.frame.type === Type.Data ? [s.frame.payload.length] : [],
  );
  if (want.dataLengths.length === 0 || lengths.join() === want.dataLengths.join()) return null;
  return `DATA of ${want.dataLengths.join()} bytes: the endpoint did ${describe(peer.seen)}`;
}

const NAMES = Object.keys(Type);

/** What the endpoint did, for a failure's text. */
export function describe(seen: readonly Seen[]): string {
  const words = seen.map((s) => {
    if (s.t === "closed") return "closed";
    const { type, flags, streamId, payload } = s.frame;
    const start = Array.from(payload.subarray(0, 8), (b) => b.toString(16).padStart(2, "0")).join("");
    return `${NAMES[type] ?? type}(flags ${flags}, stream ${streamId}, ${payload.length} bytes ${start})`;
  });
  return words.length === 0 ? "nothing" : words.join(", ");
}
