import { existsSync, globSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ECHO_PORT, type PodSpec, copyNamespaces, headless, object } from "./bench-mesh.ts";

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const POSTGRES = at("../mesh/postgres.sh");
const ECHO_SERVER = at("./echo-server.ts");
export const FLOW_CLIENT = at("./flow-client.ts");
export const WORKLOAD_CLIENT = at("./workload-client.ts");

/** Databases whose benchmarks run meanwhile. */
export const WORKLOADS = {
  pgbench: { pod: "postgres", port: 5432 },
  redis: { pod: "redis", port: 6379 },
} as const;
export type WorkloadName = keyof typeof WORKLOADS;

/** Those whose programs are on this machine. */
export function workloadsHere(): readonly WorkloadName[] {
  const has = (...names: readonly string[]): boolean =>
    names.every((name) =>
      (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, name))),
    );
  return (Object.keys(WORKLOADS) as WorkloadName[]).filter((name) =>
    name === "redis"
      ? has("redis-server", "redis-benchmark")
      : has("pgbench", "setpriv") && globSync("/usr/lib/postgresql/*/bin/postgres").length > 0,
  );
}

function pods(home: string, workloads: readonly WorkloadName[]): readonly PodSpec[] {
  const echo = [["node", ECHO_SERVER, String(ECHO_PORT)]] as const;
  const idle = [["sleep", "7200"]] as const;
  const { pgbench, redis } = WORKLOADS;
  const servers: Readonly<Record<WorkloadName, readonly string[]>> = {
    pgbench: ["sh", POSTGRES, join(home, "postgres"), String(pgbench.port)],
    redis: ["redis-server", "--bind", "*", "--protected-mode", "no", "--save", "", "--port", String(redis.port)],
  };
  return [
    { namespace: "meshed", name: "server", node: "node-2", commands: echo },
    { namespace: "plain", name: "server", node: "node-2", commands: echo },
    { namespace: "meshed", name: "client", node: "node-1", commands: idle },
    { namespace: "plain", name: "client", node: "node-1", commands: idle },
    ...workloads.map((name): PodSpec => {
      const { pod } = WORKLOADS[name];
      return { namespace: "meshed", name: pod, node: "node-2", commands: [servers[name]] };
    }),
  ];
}

/** Who speaks with whom, and their share: HBONE through both proxies, plaintext through either. */
export const PATHS = [
  { from: "client.meshed", to: "server.meshed", share: 0.5 },
  { from: "client.plain", to: "server.meshed", share: 0.25 },
  { from: "client.meshed", to: "server.plain", share: 0.25 },
] as const;

/** Writes the manifests. @returns their folder */
export function writeHotRestartMesh(home: string, workloads: readonly WorkloadName[]): string {
  const folder = join(home, "mesh");
  mkdirSync(folder, { recursive: true });
  copyNamespaces(folder);
  const items = pods(home, workloads).flatMap((pod) => [object(pod), headless(pod)]);
  writeFileSync(join(folder, "pods.json"), JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return folder;
}
