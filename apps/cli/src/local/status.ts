import type { MeshStatus, PodReport, ProcessStatus } from "@lateen/local-mesh";
import { type Command, EXIT } from "../command.ts";
import { formatOf, outputFlag } from "../output-format.ts";
import { renderTable } from "../table.ts";
import { renderValue } from "../ztunnel-config/render.ts";
import { clientOf, meshFlag } from "./mesh-access.ts";

export const status: Command = {
  name: "status",
  summary: "show the parts, pods, Services and problems of a mesh",
  positionals: [0, 0],
  flags: {
    mesh: meshFlag,
    output: outputFlag,
  },
  async run(given, terminal) {
    const format = formatOf(given);
    const value = await (await clientOf(given, terminal)).status();
    terminal.stdout.write(format === "short" ? renderStatus(value) : renderValue(value, format));
    return EXIT.ok;
  },
};

/** The status of a mesh for people. */
export function renderStatus(s: MeshStatus): string {
  const from = s.manifests === null ? "" : ` from ${s.manifests}`;
  const parts = [s.controlPlane, ...s.nodes.flatMap((n) => [n.cni, n.ztunnel])];
  const tables = [
    `mesh ${s.mesh}${from}: ${s.settled ? "ready" : s.ready ? "ready, pods are not" : "not ready"}\n`,
    renderTable(
      ["PART", "STATE", "RESTARTS", "LAST END"],
      parts.map((p) => [p.name, p.state, String(p.restarts), p.lastEnd ?? "-"]),
      3,
    ),
    renderTable(
      ["NAMESPACE", "POD", "READY", "STATUS", "RESTARTS", "IP", "NODE", "MESH"],
      s.pods.map((p) => podRow(p)),
      3,
    ),
    ...(s.services.length === 0 ? [] : [serviceTable(s)]),
    ...(s.waitingFor.length === 0 ? [] : [`waiting for\n${s.waitingFor.map((w) => `  ${w}\n`).join("")}`]),
    ...(s.problems.length === 0 ? [] : [`problems\n${s.problems.map((p) => `  ${p}\n`).join("")}`]),
  ];
  return tables.join("\n");
}

function podRow(p: PodReport): readonly string[] {
  const restarts = p.containers.reduce((sum, c) => sum + c.restarts, 0);
  const mesh = !p.meshed ? "-" : p.enrolled ? "captured" : "pending";
  const [ip = "-"] = p.ips;
  return [p.namespace, p.name, p.ready ? "yes" : "no", podState(p), String(restarts), ip, p.node, mesh];
}

function podState(p: PodReport): string {
  const waiting = p.containers.find((c: ProcessStatus) => c.state === "backing-off");
  return waiting === undefined ? p.phase : "BackOff";
}

function serviceTable(s: MeshStatus): string {
  return renderTable(
    ["NAMESPACE", "SERVICE", "CLUSTER-IP", "PORTS", "ENDPOINTS"],
    s.services.map((x) => [
      x.namespace,
      x.name,
      x.clusterIps.join(",") || "None",
      x.ports.join(","),
      String(x.endpoints),
    ]),
    3,
  );
}
