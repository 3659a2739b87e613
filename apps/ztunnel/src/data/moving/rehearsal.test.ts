import { closeSync, readdirSync } from "node:fs";
import process from "node:process";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { portableDataPath } from "@lateen/datapath";
import { FastDataPath } from "@lateen/fast-datapath";
import { duplicateFd, socketFactory } from "@lateen/linux";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../config.ts";
import { Rehearsal, type RehearsalWorld } from "./rehearsal.ts";

const { client } = await testCredentials(Date.now());
const config = parseConfig({});
if (!config.ok) throw config.error;
const world = (path: RehearsalWorld["path"]): RehearsalWorld => ({
  path,
  config: config.value.data,
  clockMs: () => performance.now(),
  closeFd: closeSync,
  duplicateFd,
});

describe.skipIf(process.platform !== "linux")("a rehearsal", () => {
  test("runs to its end on the fast driver, with a handshake, and leaves nothing open", () => {
    const faults: unknown[] = [];
    using path = new FastDataPath({ onFault: (fault) => faults.push(fault) });
    const open = (): number => readdirSync("/proc/self/fd").length;
    const [fds, { descriptors }] = [open(), path.stats];
    const ended: (string | null)[] = [];
    new Rehearsal(world(path), (problem) => ended.push(problem)).begin(client);
    while (ended.length === 0) path.turn(1_000);
    for (let i = 0; i < 20; i++) path.turn(0); // what was aborted is heard of
    expect([ended, faults]).toEqual([[null], []]);
    expect([open(), path.stats.descriptors]).toEqual([fds, descriptors]);
  });

  test("says what is wrong, and leaves nothing open", () => {
    using path = new FastDataPath({ onFault: (fault) => expect(fault).toBeNull() });
    const before = path.stats.descriptors;
    const ended: (string | null)[] = [];
    const stranger = { ...client, rootsPem: [] };
    new Rehearsal(world(path), (problem) => ended.push(problem)).begin(stranger);
    while (ended.length === 0) path.turn(1_000);
    for (let i = 0; i < 20; i++) path.turn(0);
    expect(ended).toEqual([expect.any(String)]);
    expect(path.stats.descriptors).toBe(before);
  });

  test("has nothing to do on a driver that moves nothing", () => {
    const ended: (string | null)[] = [];
    const path = portableDataPath({ sockets: socketFactory });
    new Rehearsal(world(path), (problem) => ended.push(problem)).begin(client);
    expect(ended).toEqual([null]);
  });
});
