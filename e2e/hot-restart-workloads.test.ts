import { once } from "node:events";
import { globSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openNetns, socketFactory } from "@lateen/linux";
import { eventually, requirePrograms, requireRoot, requirement } from "@lateen/testkit";
import { TestMesh } from "./support/test-mesh.ts";

const SHELL = "shell.apps";
const noPrograms =
  requireRoot() ||
  requirePrograms("redis-server", "redis-benchmark", "psql", "pgbench", "setpriv") ||
  requirement(globSync("/usr/lib/postgresql/*/bin/postgres").length > 0 ? null : "needs postgres");

describe.skipIf(noPrograms)("databases while ztunnels are replaced", () => {
  let mesh: TestMesh;
  const shell = (command: string): Promise<string> => mesh.run(SHELL, "sh", "-c", command);

  beforeAll(async () => {
    mesh = await TestMesh.up(["apps"]);
  });
  afterAll(() => mesh[Symbol.asyncDispose]());

  /** What Prometheus would be told by a node's ztunnel. */
  async function metrics(node: string): Promise<string> {
    using netns = openNetns(await mesh.nodeNetns(node));
    const to = { ip: "127.0.0.1", port: 15_020 };
    const fd = socketFactory.client({ netns: netns.fd, mark: 0, keepAlive: null, to, from: null, timeoutMs: 0 });
    const socket = new net.Socket({ fd }).connect({ port: to.port, host: to.ip });
    const request = http.get({ createConnection: () => socket, path: "/metrics", headers: { host: "localhost" } });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    return text(response);
  }

  /** Replaces both nodes' ztunnels in turn until it is done. @returns how often */
  async function meanwhile<T>(run: Promise<T>): Promise<{ readonly result: T; readonly replaced: number }> {
    let over = false;
    const ended = run.finally(() => (over = true));
    ended.catch(() => undefined); // awaited below
    let replaced = 0;
    for (; !over; replaced++) {
      const { handedOver } = await mesh.client.upgradeZtunnel(`node-${(replaced % 2) + 1}`);
      expect(handedOver).toMatchObject({ outcome: "done", left: 0, declined: 0 });
    }
    return { result: await ended, replaced };
  }

  test("pgbench loses no transaction", { timeout: 180_000 }, async () => {
    await eventually(
      async () => (await mesh.exec(SHELL, ["psql", "-h", "postgres", "-U", "postgres", "-c", "select 1"])).code === 0,
      {
        what: "PostgreSQL to answer",
        deadlineMs: 60_000,
      },
    );
    await shell("pgbench -h postgres -U postgres -q -i -s 1 postgres");
    // As many as it gets done, on the same connections all the time.
    const { result, replaced } = await meanwhile(
      shell("pgbench -h postgres -U postgres -n -c 6 -j 2 -R 100 -T 12 postgres"),
    );
    expect(result).toMatch(/number of failed transactions: 0 /);
    const done = Number(/number of transactions actually processed: (\d+)/.exec(result)?.[1]);
    expect(done).toBeGreaterThan(0);
    expect(Number(await shell('psql -h postgres -U postgres -Atc "select count(*) from pgbench_history"'))).toBe(done);
    expect(replaced).toBeGreaterThan(0);
  });

  test("every command of a Redis benchmark is answered and kept", { timeout: 180_000 }, async () => {
    await shell("redis-cli -h redis FLUSHALL");
    const requests = 60_000;
    const { result, replaced } = await meanwhile(
      shell(`nice redis-benchmark -h redis -t set,get,rpush -n ${requests} -c 20 -P 4 --csv`),
    );
    expect(result.match(/^"(?:SET|GET|RPUSH)","\d/gm)).toHaveLength(3);
    expect(await shell("redis-cli -h redis LLEN mylist")).toBe(`${requests}\n`);
    expect(replaced).toBeGreaterThan(0);
  });

  test("what was counted before is counted still", { timeout: 60_000 }, async () => {
    const opened = async (): Promise<number> => {
      const lines = (await metrics("node-2"))
        .split("\n")
        .filter((line) => line.startsWith("istio_tcp_connections_opened_total{"));
      return lines.reduce((n, line) => n + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
    };
    const before = await opened();
    expect(before).toBeGreaterThan(0);
    expect((await mesh.client.upgradeZtunnel("node-2")).handedOver).toMatchObject({ outcome: "done" });
    expect(await opened()).toBeGreaterThanOrEqual(before);
  });
});
