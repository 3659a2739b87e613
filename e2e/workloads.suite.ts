import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { eventually } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LinkWatch } from "./support/link-watch.ts";
import type { TestMesh } from "./support/test-mesh.ts";

const SHELL = "shell.apps";
const FILE_BYTES = 16 * 1024 * 1024;
const SMALL_REQUESTS = 400;
const REDIS_REQUESTS = 20_000;
const PGBENCH = { clients: 8, transactions: 150 };
const IPERF_BYTES = 256 * 1024 * 1024;
const TIMEOUT = { timeout: 90_000 };

/** Servers and clients as users run them, on different nodes, with the pods of `topologies/apps`. */
export function workloadsSuite(mesh: () => TestMesh): void {
  describe("real workloads", () => {
    let link: LinkWatch;
    beforeAll(async () => void (link = new LinkWatch(await mesh().nodeNetns("node-1"), { sees: "violations" })));
    afterAll(() => link[Symbol.dispose]());

    /** The last connection to a server, as the ztunnel of its client reports it, was a tunnel. */
    async function wentThroughHbone(server: string): Promise<void> {
      const tunnelled = /connection complete.*dst\.addr=10\.244\.2\.\d+:15008.*direction="outbound"/;
      const last = async (): Promise<string> => {
        const lines = (await mesh().log("ztunnel-node-1")).split("\n");
        return lines.findLast((line) => line.includes(`dst.workload="${server}"`)) ?? "";
      };
      await eventually(async () => tunnelled.test(await last()), {
        what: `a tunnelled connection to ${server} in the log`,
      });
    }

    const shell = (command: string): Promise<string> => mesh().run(SHELL, "sh", "-c", command);

    test(
      "nginx and curl: a large file, and many small requests at once, from the client's own address",
      TIMEOUT,
      async () => {
        const html = path.join(mesh().home.root, "data/nginx/html");
        const file = randomBytes(FILE_BYTES);
        writeFileSync(path.join(html, "large.bin"), file);
        writeFileSync(path.join(html, "small.txt"), "small\n");
        const sum = createHash("sha256").update(file).digest("hex");
        expect(await shell("curl -sSf http://nginx/large.bin | sha256sum")).toBe(`${sum}  -\n`);
        const urls = `http://nginx/small.txt?[1-${SMALL_REQUESTS}]`;
        expect(await shell(`curl -sSf -Z --parallel-max 20 '${urls}'`)).toBe("small\n".repeat(SMALL_REQUESTS));
        const seen = readFileSync(path.join(mesh().home.root, "data/nginx/access.log"), "utf8").split("\n");
        const { ip } = await mesh().pod("shell");
        const served = seen.filter((line) => line === `${ip} GET /small.txt 200 6`);
        expect(served.length).toBe(SMALL_REQUESTS);
        await wentThroughHbone("nginx");
      },
    );

    test("Redis: every command of a benchmark is answered and kept", TIMEOUT, async () => {
      const out = await shell(`redis-benchmark -h redis -t set,get,rpush -n ${REDIS_REQUESTS} -c 20 -P 4 --csv`);
      expect(out.match(/^"(?:SET|GET|RPUSH)","\d/gm)).toHaveLength(3);
      expect(await shell("redis-cli -h redis LLEN mylist")).toBe(`${REDIS_REQUESTS}\n`);
      await wentThroughHbone("redis");
    });

    test("PostgreSQL: pgbench loses no transaction, and its books balance", TIMEOUT, async () => {
      const psql = (sql: string): Promise<string> => shell(`psql -h postgres -U postgres -Atc "${sql}"`);
      const { clients, transactions } = PGBENCH;
      const all = clients * transactions;
      await shell("pgbench -h postgres -U postgres -q -i -s 1 postgres");
      const out = await shell(`pgbench -h postgres -U postgres -n -c ${clients} -j 2 -t ${transactions} postgres`);
      expect(out).toContain(`number of transactions actually processed: ${all}/${all}`);
      expect(out).toMatch(/number of failed transactions: 0 /);
      const balances = ["sum(bbalance) from pgbench_branches", "sum(tbalance) from pgbench_tellers"];
      const [history, ...sums] = await Promise.all(
        ["count(*) || ' ' || sum(delta) from pgbench_history", ...balances].map((what) => psql(`select ${what}`)),
      );
      const [count, delta] = (history ?? "").trim().split(" ");
      expect(count).toBe(String(all));
      expect(sums).toEqual(balances.map(() => `${delta ?? ""}\n`));
      await wentThroughHbone("postgres");
    });

    // Its server stops to read at the end of the test, so what arrives is less than what was sent, with a mesh or without.
    test.each(["", "--reverse"])("iperf3 %s: streams in parallel run to their end", TIMEOUT, async (direction) => {
      const out = await shell(`iperf3 --client iperf --bytes ${IPERF_BYTES} --parallel 4 ${direction} --json`);
      const { end } = JSON.parse(out) as { end: { sum_sent: { bytes: number }; sum_received: { bytes: number } } };
      expect(end.sum_sent.bytes).toBeGreaterThanOrEqual(IPERF_BYTES);
      expect(end.sum_received.bytes).toBeGreaterThan(IPERF_BYTES / 2);
      await wentThroughHbone("iperf");
    });

    test("nothing of it went past HBONE", () => {
      expect(link.report()).toMatchObject({ violations: [], lost: 0 });
    });
  });
}
