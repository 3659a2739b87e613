import { closeSync, readdirSync } from "node:fs";
import process from "node:process";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { type DataPath, portableDataPath } from "@lateen/datapath";
import { FastDataPath } from "@lateen/fast-datapath";
import { duplicateFd, socketFactory } from "@lateen/linux";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../config.ts";
import { STATE_FORMAT } from "../../handover/state-format.ts";
import { Rehearsal, type RehearsalWorld } from "./rehearsal.ts";
import { type MovesWorld, ThreadMoves } from "./thread-moves.ts";

const { client } = await testCredentials(Date.now());
const config = parseConfig({});
if (!config.ok) throw config.error;

const world = (path: DataPath, watch: MovesWorld["watch"]): RehearsalWorld => {
  const common = {
    path,
    watch,
    format: STATE_FORMAT,
    closeFd: closeSync,
    duplicateFd,
    clockMs: () => performance.now(),
  };
  return { path, config: config.value.data, moves: (pods, post) => new ThreadMoves({ ...common, pods, post }) };
};
const fast = (path: FastDataPath): RehearsalWorld => world(path, (fd, run) => path.watch(fd, run));

function turnUntilOver(path: FastDataPath, ended: readonly unknown[]): void {
  while (ended.length === 0) path.turn(1_000);
  for (let i = 0; i < 20; i++) path.turn(0); // what was aborted is heard of
}

describe.skipIf(process.platform !== "linux")("a rehearsal", () => {
  test("runs to its end on the fast driver, with a handshake, and leaves nothing open", () => {
    const faults: unknown[] = [];
    using path = new FastDataPath({ onFault: (fault) => faults.push(fault) });
    const open = (): number => readdirSync("/proc/self/fd").length;
    const [fds, { descriptors }] = [open(), path.stats];
    const ended: (string | null)[] = [];
    new Rehearsal(fast(path), (problem) => ended.push(problem)).begin(client);
    turnUntilOver(path, ended);
    expect([ended, faults]).toEqual([[null], []]);
    expect([open(), path.stats.descriptors]).toEqual([fds, descriptors]);
  });

  test("says what is wrong, and leaves nothing open", () => {
    using path = new FastDataPath({ onFault: (fault) => expect(fault).toBeNull() });
    const before = path.stats.descriptors;
    const ended: (string | null)[] = [];
    new Rehearsal(fast(path), (problem) => ended.push(problem)).begin({ ...client, rootsPem: [] });
    turnUntilOver(path, ended);
    expect(ended).toEqual([expect.any(String)]);
    expect(path.stats.descriptors).toBe(before);
  });

  test("has nothing to do on a driver that moves nothing", () => {
    const ended: (string | null)[] = [];
    const path = portableDataPath({ sockets: socketFactory });
    new Rehearsal(world(path, null), (problem) => ended.push(problem)).begin(client);
    expect(ended).toEqual([null]);
  });
});
