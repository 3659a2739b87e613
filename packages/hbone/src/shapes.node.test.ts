import { setFlagsFromString } from "node:v8";
import { Flow, memoryPair } from "@lateen/byte-stream";
import { beforeAll, expect, test } from "vitest";
import { FrameReader } from "./frame-reader.ts";
import { StreamState } from "./stream-state.ts";
import { Bench, afterSettings, connect, data } from "./wire.suite.ts";

// Objects of the hot path keep one hidden class for life: a late or missing property would make every access slower.

let sameShape: (a: object, b: object) => boolean;
beforeAll(() => {
  setFlagsFromString("--allow-natives-syntax");
  sameShape = new Function("a", "b", "return %HaveSameMap(a, b)") as typeof sameShape;
});

test("a stream's state keeps its shape through its life", () => {
  const bench = afterSettings("server");
  const used = bench.requests[0]!.s;
  bench.machine.receive(data(1, 100));
  bench.machine.send(used, new Uint8Array(10), null);
  bench.machine.end(used);
  bench.machine.receive(data(1, 0, 1));
  expect(used.over).toBe(true);
  expect(sameShape(used, new StreamState(3, 1))).toBe(true);
});

test("readers, flows and streams keep theirs", () => {
  const [a, b] = memoryPair();
  a.write(Uint8Array.of(1));
  a.pause();
  expect(sameShape(a, b)).toBe(true);
  const flow = new Flow();
  flow.bytes = 2 ** 40;
  expect(sameShape(flow, Object.assign(new Flow(), { bytes: 2 ** 41 }))).toBe(true);
  const busy = new Bench("server").settle();
  busy.machine.receive(connect(1));
  expect(sameShape(busy.machine, new Bench("server").machine)).toBe(true);
  expect(sameShape(new FrameReader(), new FrameReader())).toBe(true);
});
