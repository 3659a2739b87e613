import { FakeClock } from "@lateen/testkit";
import { expect, test } from "vitest";
import { type WatchedPod, watchDrift } from "./drift-watch.ts";

function watched(...uids: readonly string[]) {
  const clock = new FakeClock(0);
  const stop = new AbortController();
  const looks: string[] = [];
  const found: string[] = [];
  const drift = new Map<string, readonly string[]>();
  const pods = new Map<string, WatchedPod>();
  const add = (uid: string): void => {
    const checkDrift = (): readonly string[] => {
      looks.push(`${uid} ${clock.nowMs()}`);
      return drift.get(uid) ?? [];
    };
    pods.set(uid, { uid, checkDrift });
  };
  uids.forEach(add);
  const parts = {
    pods,
    random: () => 0.5,
    found: (pod: WatchedPod, what: readonly string[]) => void found.push(`${pod.uid}: ${what.join(" ")}`),
    clock,
  };
  const over = watchDrift(parts, stop.signal);
  return { clock, stop, looks, found, drift, pods, add, over };
}

test("pods are looked at one after the other, spread over the round", async () => {
  const { clock, looks, stop, over } = watched("a", "b", "c", "d");
  await clock.advanceAsync(7_500);
  expect(looks).toEqual(["a 1250", "b 2500", "c 3750", "d 5000", "a 6250", "b 7500"]);
  stop.abort();
  await over;
  expect(clock.pending).toBe(0);
});

test("a pod that comes during a round is looked at in it, one that went is not", async () => {
  const { clock, looks, add, pods } = watched("a", "b");
  await clock.advanceAsync(2_500);
  pods.delete("b");
  add("c");
  await clock.advanceAsync(5_000);
  expect(looks.map((l) => l.split(" ")[0])).toEqual(["a", "c", "a"]);
});

test("what differs is told; a pod that comes when there was none is seen in the next round", async () => {
  const { clock, found, drift, add } = watched();
  await clock.advanceAsync(6_000);
  add("a");
  drift.set("a", ["a rule is gone"]);
  await clock.advanceAsync(8_000);
  expect(found).toEqual(["a: a rule is gone"]);
});
