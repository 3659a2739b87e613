import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Code, MeshError } from "@lateen/errors";
import { openNetns, openNftables } from "@lateen/linux";
import type { CapturedOutput, KeeperRecord, MeshClient, MeshStatus, PodReport } from "@lateen/local-mesh";
import { sleep } from "@lateen/lifecycle";

const POLL_MS = 20;

/** The mesh of the demo, in the words that its proofs need. */
export class DemoMesh {
  readonly client: MeshClient;
  readonly #status: MeshStatus;
  /** The folder that the mesh watches: a copy, so that the demo can edit it. */
  readonly manifests: string;

  constructor(client: MeshClient, status: MeshStatus, manifests: string) {
    this.client = client;
    this.#status = status;
    this.manifests = manifests;
  }

  /** Path of the network namespace that a process of the mesh is in; it is numbered as the daemon's PID namespace has it. */
  #netnsOf(pid: number | null | undefined): string {
    const record = JSON.parse(readFileSync(join(this.client.folders.run, "keeper.json"), "utf8")) as KeeperRecord;
    return `/proc/${record.daemonPid}/root/proc/${pid ?? 0}/ns/net`;
  }

  /** Path of a node's network namespace. */
  nodeNetns(name: string): string {
    return this.#netnsOf(this.#status.nodes.find((node) => node.name === name)?.ztunnel.pid);
  }

  /** The pod of that name, or the pods of that Deployment, in order. */
  pods(name: string): readonly PodReport[] {
    const found = this.#status.pods.filter((p) => p.name === name || p.deployment === name);
    return [...found].sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  pod(name: string, node?: string): PodReport {
    const found = this.pods(name).find((p) => node === undefined || p.node === node);
    if (found === undefined) throw new MeshError(Code.Bug, `Cannot find pod ${name} of the demo`);
    return found;
  }

  ip(pod: PodReport): string {
    return pod.ips[0] ?? "";
  }

  /** What `get.mjs` says of a URL, from inside a pod. */
  get(
    from: PodReport,
    url: string,
    o: { readonly body?: string; readonly timeoutMs?: number } = {},
  ): Promise<CapturedOutput> {
    const argv = ["node", "get.mjs", url, ...(o.body === undefined ? [] : [o.body])];
    return this.client.exec({ pod: `${from.name}.${from.namespace}`, argv, timeoutMs: o.timeoutMs ?? 8_000 });
  }

  /** The last line of a ztunnel's access log that holds all these texts; waits for it. */
  async accessLine(node: string, ...texts: readonly string[]): Promise<string> {
    return this.until(`a line of ztunnel-${node} with ${texts.join(" ")}`, async () => {
      let log = "";
      for await (const chunk of await this.client.log({ of: `ztunnel-${node}`, follow: false })) log += chunk;
      return log.split("\n").findLast((line) => texts.every((text) => line.includes(text))) ?? null;
    });
  }

  /** Connections that a node's ztunnel carries into a pod. */
  async inbound(pod: PodReport): Promise<number> {
    const dump = JSON.parse(await this.client.ztunnelAdmin(pod.node, "GET", "/config_dump")) as {
      workloadState: Record<string, { connections: { inbound: unknown[] } } | undefined>;
    };
    return dump.workloadState[pod.uid]?.connections.inbound.length ?? 0;
  }

  /** Names of the nf_tables tables in a pod's own network namespace. */
  tables(pod: PodReport): readonly string[] {
    const [pid] = pod.containers.map((c) => c.pid);
    using netns = openNetns(this.#netnsOf(pid));
    using nftables = openNftables(netns.fd);
    return nftables.read(() => true).tables.map((table) => table.name);
  }

  /** Asks again until there is an answer. @throws MeshError TIMEOUT naming what was awaited */
  async until<T>(what: string, look: () => Promise<T | null>, timeoutMs = 5_000): Promise<T> {
    for (const endMs = performance.now() + timeoutMs; ;) {
      const found = await look();
      if (found !== null) return found;
      if (performance.now() > endMs) throw new MeshError(Code.Timeout, `Cannot see ${what} within ${timeoutMs} ms`);
      await sleep(POLL_MS);
    }
  }
}
