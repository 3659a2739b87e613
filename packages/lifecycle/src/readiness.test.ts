import { expect, test } from "vitest";
import { createReadiness } from "./readiness.ts";

test("ready when the last blocker of every name is gone", async () => {
  const seen: string[] = [];
  const readiness = createReadiness((pending) => seen.push(pending.join(",")));
  expect(readiness.isReady).toBe(true);
  const [xds, ca, again] = [readiness.block("xds"), readiness.block("ca"), readiness.block("xds")];
  expect(readiness.pending()).toEqual(["xds", "ca"]);
  const ready = readiness.ready();
  xds[Symbol.dispose]();
  xds[Symbol.dispose]();
  ca[Symbol.dispose]();
  expect(readiness.isReady).toBe(false);
  again[Symbol.dispose]();
  await ready;
  expect(seen).toEqual(["xds", "xds,ca", "xds,ca", "ca,xds", "xds", ""]);
  await readiness.ready();
});

test("waiting ends with the signal's reason", async () => {
  const readiness = createReadiness();
  readiness.block("never");
  const controller = new AbortController();
  const waiting = readiness.ready({ signal: controller.signal });
  controller.abort(new Error("going away"));
  await expect(waiting).rejects.toThrow("going away");
  await expect(readiness.ready({ signal: controller.signal })).rejects.toThrow("going away");
});
