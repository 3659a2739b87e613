import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { OwnListeners, ToThread } from "../messages.ts";
import { AcceptingThreads } from "./accepting-threads.ts";

let told: (readonly [index: number, message: ToThread])[];
let lists: ((pods: readonly OwnListeners[]) => void)[];
let open: Set<number>;
let nextFd: number;
let threads: AcceptingThreads;
beforeEach(() => {
  vi.useFakeTimers();
  [told, lists, open, nextFd] = [[], [], new Set(), 100];
  threads = new AcceptingThreads({
    count: 3,
    sendTo: (index, message) => void told.push([index, message]),
    listeners: () => new Promise((resolve) => lists.push(resolve)),
    closeFd: (fd) => expect(open.delete(fd)).toBe(true),
  });
});
afterEach(() => {
  threads[Symbol.dispose]();
  vi.useRealTimers();
});

/** The first thread answers what it was asked first. */
async function answer(): Promise<void> {
  const fd = nextFd++;
  open.add(fd);
  lists.shift()!([{ uid: "pod", netns: 7, listeners: [{ port: 15_001, fd, transparent: false }] }]);
  await vi.advanceTimersByTimeAsync(0);
}
/** What was said since the last call, in short. */
const said = (): readonly string[] =>
  told.splice(0).map(([index, m]) => {
    if (m.t === "yield") return `${index} yields ${m.what}`;
    if (m.t !== "accept") return `${index} ${m.t}`;
    return `${index} accept ${m.pods.flatMap(({ listeners }) => listeners.map(({ fd }) => fd)).join()}`;
  });

test("a crowded thread yields at once, and another accepts on its listeners, until both have been at rest for a while", async () => {
  threads.heard(0, "busy");
  expect(said()).toEqual([]);
  threads.heard(0, "crowded");
  expect(said()).toEqual(["0 yields everything"]);
  await answer();
  expect([said(), threads.state.accepting]).toEqual([["1 accept 100"], 2]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(said()).toEqual([]); // it is crowded still
  threads.heard(0, "easy");
  expect(said()).toEqual(["0 yields nothing"]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([said(), threads.state.accepting, vi.getTimerCount()]).toEqual([["1 accept-no-more"], 1, 0]);
});

test("one that would be missed again waits until it may find a processor", async () => {
  threads.heard(0, "full");
  await answer();
  threads.heard(0, "contended");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(said()).toEqual(["0 yields tunnels", "1 accept 100", "0 yields nothing", "1 accept-no-more"]);
  threads.heard(0, "full");
  await vi.advanceTimersByTimeAsync(8_000);
  expect(said()).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  await answer();
  expect(said()).toEqual(["0 yields tunnels", "1 accept 101"]);
});

test("each that joins gets descriptors of its own", async () => {
  threads.heard(0, "crowded");
  await answer();
  threads.heard(1, "crowded");
  while (lists.length > 0) await answer();
  expect(said()).toEqual([
    "0 yields everything",
    "1 accept 100",
    "1 yields everything",
    "1 accept 101",
    "2 accept 102",
  ]);
  expect(lists).toEqual([]);
});

test("whoever has left when the listeners come gets none of them", async () => {
  threads.heard(0, "crowded");
  threads.heard(0, "easy");
  await vi.advanceTimersByTimeAsync(1_000);
  said();
  await answer();
  expect([said(), [...open]]).toEqual([[], []]);
});

test("whoever left and joined again meanwhile has them", async () => {
  threads.heard(0, "crowded");
  threads.heard(0, "easy");
  await vi.advanceTimersByTimeAsync(1_000);
  threads.heard(0, "crowded");
  said();
  while (lists.length > 0) await answer();
  expect(said().at(-1)).toBe("1 accept 101");
});

test("pods that start meanwhile are shared too, and only while there is somebody to share with", async () => {
  threads.listenersChanged();
  expect(lists).toEqual([]);
  threads.heard(0, "crowded");
  await answer();
  said();
  threads.listenersChanged();
  threads.listenersChanged();
  while (lists.length > 0) await answer();
  expect(said().at(-1)).toMatch(/^1 accept/);
});

test("after the end nothing is said, and what still comes is closed", async () => {
  threads.heard(0, "crowded");
  said();
  threads[Symbol.dispose]();
  await answer();
  threads.heard(1, "crowded");
  expect([said(), [...open], vi.getTimerCount()]).toEqual([[], [], 0]);
});
