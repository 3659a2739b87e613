import { readdirSync } from "node:fs";
import process from "node:process";
import type { Plain } from "@lateen/cbor";
import { seqpacketDescriptors } from "@lateen/linux";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { STATE_FORMAT, type StateFormat } from "../../handover/state-format.ts";
import { MemoryNetwork } from "../memory-data-path.test.support.ts";
import { PLAIN, STREAMS } from "./little-mesh.ts";
import { ThreadMoves } from "./thread-moves.ts";
import { INNER, TwoProcesses } from "./two-processes.test.support.ts";

/** Those in the tunnel, seen at both of its ends, those in tunnels inside another, seen at the gateway too, and those without. */
const CARRIED = 2 * STREAMS + 3 * INNER + PLAIN;
/** Both ends of the tunnels go as a whole; that is one more for each that has a tunnel inside. The others go one by one. */
const BUNDLES = 2 + 2 + INNER + PLAIN;
/** More messages than a whole move takes. */
const { own: OWN } = STATE_FORMAT;
const MESSAGES = 3 * BUNDLES;

describe.skipIf(process.platform !== "linux")("connections of a data thread", () => {
  let two: TwoProcesses;
  beforeEach(async () => {
    two = await TwoProcesses.begin();
  });
  afterEach(() => two[Symbol.dispose]());

  test("go on in another process, with all that was under way and all that was counted", async () => {
    const next = two.process();
    two.say(200_000);
    const { gave, took } = await two.move(two.first, next);
    expect(gave).toEqual({ outcome: "done", why: "", moved: BUNDLES, kept: 0, left: 0 });
    expect(took).toMatchObject({ outcome: "done", left: 0, declined: [] });
    // In whatever order: what is in the middle of something when its turn comes is asked again later.
    const bundles = took.bundles.map(
      ({ connections, tunnel }) => `${connections} ${tunnel ? "in a tunnel" : "plainly"}`,
    );
    expect(bundles.toSorted()).toEqual(
      [
        ...Array.from({ length: PLAIN }, () => "1 plainly"),
        ...Array.from({ length: INNER }, () => "1 in a tunnel"),
        ...[INNER, INNER, STREAMS, STREAMS].map((connections) => `${connections} in a tunnel`),
      ].toSorted(),
    );
    two.say(1_000);
    expect(await two.answered()).toEqual([]);
    expect([two.first.carried, next.carried]).toEqual([0, CARRIED]);
  });

  test("go to and fro under load, and no byte is lost", async () => {
    let [from, to] = [two.first, two.process()];
    for (let i = 0; i < 20; i++) {
      two.say(i % 3 === 0 ? 150_000 : 500);
      expect((await two.move(from, to)).gave).toMatchObject({ outcome: "done", moved: BUNDLES, left: 0 });
      [from, to] = [to, from];
    }
    expect(await two.answered()).toEqual([]);
  });

  test("are all somewhere when the socket between the processes breaks, after however many messages", async () => {
    const moved = new Set<number>();
    for (let messages = 0; messages < MESSAGES; messages++) {
      const next = two.process();
      two.say(20_000);
      const { gave, took } = await two.moveCutAfter(messages, two.first, next);
      expect(took.bundles).toHaveLength(gave.moved); // neither claims what the other has
      moved.add(gave.moved);
      expect(await two.answered()).toEqual([]);
      expect(two.first.carried + next.carried).toBe(CARRIED);
      // Back, for the next time.
      expect((await two.move(next, two.first)).gave).toMatchObject({ outcome: "done", left: 0 });
    }
    // From none to all, and parts of it.
    expect([Math.min(...moved), Math.max(...moved), moved.size > 2]).toEqual([0, BUNDLES, true]);
    expect(await two.answered()).toEqual([]);
  });

  test("leave no descriptor behind", async () => {
    const next = two.process();
    await two.move(two.first, next);
    await two.move(next, two.first);
    const open = (): number => readdirSync("/proc/self/fd").length;
    const before = open();
    for (let messages = 2; messages < 12; messages += 3) {
      await two.moveCutAfter(messages, two.first, next);
      await two.move(next, two.first);
    }
    expect(open()).toBe(before);
    expect(await two.answered()).toEqual([]);
  });

  test("stay where they are when they are not wanted, and are offered again to the next", async () => {
    const stranger = two.process();
    (stranger.pods as Map<string, unknown>).clear();
    const { gave, took } = await two.move(two.first, stranger);
    expect(gave).toMatchObject({ outcome: "done", moved: 0, kept: BUNDLES, left: CARRIED });
    expect(took).toMatchObject({ outcome: "done", left: CARRIED });
    expect(new Set(took.declined)).toEqual(new Set(["this pod is not served here"]));
    two.say(1_000);
    expect(await two.answered()).toEqual([]);
    expect((await two.move(two.first, two.process())).gave).toMatchObject({ moved: BUNDLES, left: 0 });
  });

  test("stay where they are when both speak different formats", async () => {
    const next = two.process();
    const { gave, took } = await two.move(two.first, next, { give: 1, take: 2 });
    expect([gave.outcome, took.outcome, gave.left]).toEqual(["refused", "refused", CARRIED]);
    two.say(1_000);
    expect(await two.answered()).toEqual([]);
    expect(two.first.carried).toBe(CARRIED);
  });

  test("go over in the format that both know", async () => {
    const seen: number[] = [];
    const later: StateFormat = {
      versions: { newest: 3, oldest: 2 },
      own: STATE_FORMAT.own,
      write: (version, _kind, own) => (seen.push(version), version === 3 ? { later: own } : own),
      read: (version, _kind, state) => (version === 3 ? (state as { later: Plain }).later : state),
    };
    const [one, other] = [two.process(later), two.process(later)];
    await two.move(two.first, one);
    two.say(5_000);
    expect((await two.move(one, other, { give: 3, take: 3 })).gave).toMatchObject({ moved: BUNDLES, left: 0 });
    expect(await two.answered()).toEqual([]);
    expect(seen).toEqual(Array.from({ length: BUNDLES }, () => 3));
    await two.move(other, two.first);
    two.say(5_000);
    expect(await two.answered()).toEqual([]);
  });

  test("go over in the format of the version before, but for tunnels inside a tunnel, which stay", async () => {
    const written: Plain[] = [];
    const spy: StateFormat = {
      ...STATE_FORMAT,
      write: (version, kind, own) => {
        written.push(STATE_FORMAT.write(version, kind, own));
        return written.at(-1)!; // just pushed
      },
    };
    const [one, other] = [two.process(spy), two.process()];
    await two.move(two.first, one);
    two.say(20_000);
    const { gave, took } = await two.move(one, other, { give: 1, take: 1 });
    expect(gave).toEqual({ outcome: "done", why: "", moved: BUNDLES - 1, kept: 0, left: INNER });
    expect(took).toMatchObject({ outcome: "done", declined: [], left: INNER });
    expect(await two.answered()).toEqual([]);
    const tunnels = written.flatMap((state) => (state as { readonly tunnel: object | null }).tunnel ?? []);
    expect(tunnels).toHaveLength(3 + INNER); // every end but that at which tunnels are inside
    for (const tunnel of tunnels) expect(tunnel).not.toHaveProperty("inner");
    // And all of it goes on by the present format.
    expect((await two.move(one, other)).gave).toMatchObject({ moved: 1, left: 0 });
    two.say(1_000);
    expect(await two.answered()).toEqual([]);
  });

  test("are given no more once it is told to stop", async () => {
    const [ours, theirs] = seqpacketDescriptors();
    const next = two.process();
    two.first.moves.receive({ t: "give", fd: ours, version: OWN, patienceMs: 5_000 });
    two.first.moves.receive({ t: "stop-giving" });
    next.moves.receive({ t: "take", fd: theirs, version: OWN });
    two.say(1_000);
    expect(await two.answered()).toEqual([]);
    expect(two.first.gave).toMatchObject([{ outcome: "lost", moved: 0, left: CARRIED }]);
    expect(next.took).toMatchObject([{ outcome: "lost", bundles: [] }]);
  });
});

test("a driver that moves nothing says so, and closes what it was given", () => {
  const posted: unknown[] = [];
  const closed: number[] = [];
  const moves = new ThreadMoves({
    path: new MemoryNetwork(),
    watch: null,
    pods: new Map(),
    format: STATE_FORMAT,
    post: (message) => posted.push(message),
    clockMs: () => 0,
    closeFd: (fd) => closed.push(fd),
    duplicateFd: (fd) => fd,
  });
  moves.receive({ t: "give", fd: 10, version: 1, patienceMs: 1 });
  moves.receive({ t: "take", fd: 11, version: 1 });
  expect(posted).toMatchObject([
    { t: "gave", gave: { outcome: "refused" } },
    { t: "took", took: { outcome: "refused" } },
  ]);
  expect(closed).toEqual([10, 11]);
});
