import type { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { parseConfig } from "../config.ts";
import { DataThreads } from "./data-threads.ts";
import { adminRoutes } from "./routes.ts";
import { ThreadProfile } from "./thread-profile.ts";

const config = parseConfig({});
if (!config.ok) throw config.error;
const start = {
  config: config.value.data,
  logFormat: "text",
  levels: new Map(),
  stateFormatModule: null,
  ticketSecret: null,
} as const;
const ignore = { wantIdentity: () => undefined, log: () => undefined, moving: () => undefined };

for (const driver of ["fast", "portable"] as const)
  test(`profiles of threads of the ${driver} driver name what they ran, one at a time`, async () => {
    const died: string[] = [];
    await using threads = new DataThreads({ count: 2, driver }, start, { ...ignore, died: (_, why) => died.push(why) });
    const sources = { startProfiles: () => threads.startProfiles(), stopProfiles: () => threads.stopProfiles() };
    const routes = adminRoutes(sources as Parameters<typeof adminRoutes>[0]);
    const asked = { accept: "", authorization: "", peer: "" };
    const ask = async (what: "start" | "stop") =>
      routes[`POST /debug/cpuprofile/${what}`]!({ ...asked, url: new URL("http://localhost") });
    await threads.report(); // they are there
    expect(await ask("stop")).toMatchObject({ status: 400 });
    expect(await ask("start")).toMatchObject({ status: 200 });
    expect(await ask("start")).toMatchObject({ status: 400 });
    await threads.report(); // each turns at least once
    const { status, body } = await ask("stop");
    const profiles = JSON.parse(body) as { nodes: unknown[] }[];
    expect([status, profiles.length]).toEqual([200, 2]);
    for (const profile of profiles) expect(profile.nodes.length).toBeGreaterThan(0);
    expect(await ask("stop")).toMatchObject({ status: 400 });
    expect(died).toEqual([]);
  });

test("a profile with the name of a regular expression in it is JSON all the same", async () => {
  const source = String.raw`RegExp: ^[\d."]+$`;
  const raw = `{"nodes":[{"callFrame":{"functionName":"${source}","lineNumber":-1}}]}`;
  const handle = { stop: () => Promise.resolve(raw) } as Awaited<ReturnType<Worker["startCpuProfile"]>>;
  const profile = new ThreadProfile({ startCpuProfile: () => Promise.resolve(handle) }, () => undefined);
  await profile.start();
  const { nodes } = JSON.parse(await profile.stop()) as { nodes: { callFrame: { functionName: string } }[] };
  expect(nodes[0]?.callFrame.functionName).toBe(source);
});
