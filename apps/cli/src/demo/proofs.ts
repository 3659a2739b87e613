import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import type { CapturedOutput, PodReport } from "@lateen/local-mesh";
import type { DemoMesh } from "./demo-mesh.ts";
import type { LinkCapture } from "./link-capture.ts";

/** Something that the demo claims, and how it shows it. */
export interface Proof {
  readonly claim: string;
  /** @returns what was seen; `holds` is false when that contradicts the claim */
  readonly show: (mesh: DemoMesh, link: LinkCapture) => Promise<Evidence>;
}
export interface Evidence {
  readonly holds: boolean;
  readonly seen: readonly string[];
}

const said = (out: CapturedOutput): string => (out.code === 0 ? out.stdout.trim() : `refused (${out.stderr.trim()})`);

/** Whether a web server of the example answered as this pod, to this client. */
function answeredBy(out: CapturedOutput, pods: readonly PodReport[], client: PodReport): boolean {
  if (out.code !== 0) return false;
  const { pod, client: from } = JSON.parse(out.stdout) as { pod: string; client: string };
  return pods.some((p) => p.name === pod) && client.ips.some((ip) => from.endsWith(ip));
}

async function talking(mesh: DemoMesh, to: PodReport, how: string, url: string): Promise<Evidence> {
  const from = mesh.pod("frontend");
  const out = await mesh.get(from, url);
  const place = from.node === to.node ? "same node" : `${from.node} to ${to.node}`;
  return { holds: answeredBy(out, [to], from), seen: [`${how}, ${place}: ${said(out)}`] };
}

const byPodIp: Proof = {
  claim: "captured pods reach each other by pod IP, on one node and across nodes; the server sees the client's address",
  show: async (mesh) => {
    const shown = await Promise.all(
      mesh.pods("catalog").map((to) => talking(mesh, to, `http://${mesh.ip(to)}:8080/`, `http://${mesh.ip(to)}:8080/`)),
    );
    return { holds: shown.length === 2 && shown.every((s) => s.holds), seen: shown.flatMap((s) => s.seen) };
  },
};

const byService: Proof = {
  claim: "and by Service, over all of its pods",
  show: async (mesh) => {
    const from = mesh.pod("frontend");
    const answers: CapturedOutput[] = [];
    const nodes = new Set<string>();
    for (let i = 0; i < 40 && nodes.size < 2; i++) {
      const out = await mesh.get(from, "http://catalog.shop/");
      answers.push(out);
      for (const pod of mesh.pods("catalog")) if (answeredBy(out, [pod], from)) nodes.add(pod.node);
    }
    const bad = answers.filter((out) => out.code !== 0).map(said);
    return {
      holds: nodes.size === 2 && bad.length === 0,
      seen: [
        `${answers.length} requests to http://catalog.shop/ were answered from ${[...nodes].sort().join(" and ")}`,
        ...bad,
      ],
    };
  },
};

const encrypted: Proof = {
  claim: "between the nodes there is TLS on port 15008 and no plaintext (captured on the link)",
  show: async (mesh, link) => {
    const [outside, inside] = [`plain-${randomUUID()}`, `mesh-${randomUUID()}`];
    link.look("");
    // First what the capture shows of pods that the mesh leaves alone: a blind capture would prove nothing.
    const plain = await mesh.get(mesh.pod("monitor"), `http://${mesh.ip(mesh.pod("archive"))}:8080/${outside}`, {
      body: outside,
    });
    const open = link.look(outside);
    const to = mesh.pod("catalog", "node-2");
    const meshed = await mesh.get(mesh.pod("frontend"), `http://${mesh.ip(to)}:8080/${inside}`, { body: inside });
    const closed = link.look(inside);
    return {
      holds:
        plain.code === 0 &&
        meshed.code === 0 &&
        open.withMarker > 0 &&
        closed.withMarker === 0 &&
        closed.hbone > 0 &&
        closed.tlsRecords > 0 &&
        open.dropped + closed.dropped === 0,
      seen: [
        `unmeshed monitor to archive: the marker is in ${open.withMarker} of ${open.packets} packets`,
        `captured frontend to catalog: the marker is in ${closed.withMarker} of ${closed.packets} packets; ${closed.hbone} segments on port 15008, ${closed.tlsRecords} begin a TLS record`,
      ],
    };
  },
};

const FRONTEND = "spiffe://cluster.local/ns/shop/sa/frontend";
const CATALOG = "spiffe://cluster.local/ns/shop/sa/catalog";
const field = (line: string, name: string): string =>
  new RegExp(`${name.replaceAll(".", "\\.")}="?([^" ]*)`).exec(line)?.[1] ?? "";

const identified: Proof = {
  claim: "both ends see the other's SPIFFE identity",
  show: async (mesh) => {
    const [from, to] = [mesh.pod("frontend"), mesh.pod("catalog", "node-2")];
    await mesh.get(from, `http://${mesh.ip(to)}:8080/`);
    const about = ["connection complete", `src.workload="${from.name}"`, `dst.workload="${to.name}"`];
    const client = await mesh.accessLine(from.node, ...about, 'direction="outbound"');
    const server = await mesh.accessLine(to.node, ...about, 'direction="inbound"');
    const seen = [
      `ztunnel of ${from.node}, which sends: the peer is ${field(client, "dst.identity")}`,
      `ztunnel of ${to.node}, which receives: the peer is ${field(server, "src.identity")}`,
    ];
    return { holds: field(client, "dst.identity") === CATALOG && field(server, "src.identity") === FRONTEND, seen };
  },
};

const authorized: Proof = {
  claim: "an AuthorizationPolicy lets one identity in and refuses another, and says which policy and rule",
  show: async (mesh) => {
    const to = mesh.pod("catalog", "node-2");
    const url = `http://${mesh.ip(to)}:8080/`;
    const allowed = await mesh.get(mesh.pod("frontend"), url);
    const reports = mesh.pod("reports");
    const refused = await mesh.get(reports, url);
    const missed = await mesh.accessLine(to.node, `src.workload="${reports.name}"`, "policy rejection");
    await editPolicy(mesh, (text) => `${text}${DENY_REPORTS}`);
    await mesh.until("the new policy", async () =>
      (await mesh.client.ztunnelAdmin(to.node, "GET", "/config_dump")).includes("no-reports") ? true : null,
    );
    await mesh.get(reports, url);
    const denied = await mesh.accessLine(to.node, `src.workload="${reports.name}"`, "explicitly denied");
    await editPolicy(mesh, (text) => text.replace(DENY_REPORTS, ""));
    const rule = field(denied, "policy.rule");
    return {
      holds:
        allowed.code === 0 &&
        refused.code !== 0 &&
        field(missed, "policy") === "shop/catalog-callers" &&
        field(denied, "policy") === "shop/no-reports" &&
        rule === "0",
      seen: [
        `frontend: ${said(allowed)}`,
        `reports: ${said(refused)}`,
        `the receiving ztunnel's log: ${errorOf(missed)}; policy ${field(missed, "policy")}`,
        `after a DENY policy was added: ${errorOf(denied)}; rule ${rule}`,
      ],
    };
  },
};

const errorOf = (line: string): string => /error="([^"]*)"/.exec(line)?.[1] ?? "no error";

const DENY_REPORTS = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-reports, namespace: shop }
spec:
  selector: { matchLabels: { app: catalog } }
  action: DENY
  rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/reports"] } }] }]
`;

/** Changes the policies as an editor would: the whole file at once. */
async function editPolicy(mesh: DemoMesh, change: (text: string) => string): Promise<void> {
  const file = join(mesh.manifests, "07-policy.yaml");
  writeFileSync(`${file}.new`, change(readFileSync(file, "utf8")));
  renameSync(`${file}.new`, file);
}

const mutualTls: Proof = {
  claim: "STRICT refuses plaintext from a pod outside the mesh, PERMISSIVE takes it",
  show: async (mesh) => {
    const monitor = mesh.pod("monitor");
    const strict = await mesh.get(monitor, `http://${mesh.ip(mesh.pod("catalog", "node-2"))}:8080/`);
    const permissive = await mesh.get(monitor, `http://${mesh.ip(mesh.pod("status"))}:8080/`);
    return {
      holds: strict.code !== 0 && permissive.code === 0,
      seen: [`monitor to catalog (STRICT): ${said(strict)}`, `monitor to status (PERMISSIVE): ${said(permissive)}`],
    };
  },
};

const liveEdit: Proof = {
  claim: "a policy edited while connections are open closes exactly those that it now forbids, within a second",
  show: async (mesh) => {
    const [frontend, catalog, status] = [mesh.pod("frontend"), mesh.pod("catalog", "node-2"), mesh.pod("status")];
    // Those of the earlier proofs may still be ending: counted now, they would hide the new ones.
    await mesh.until("the earlier connections' end", async () => {
      return (await mesh.inbound(catalog)) + (await mesh.inbound(status)) === 0;
    });
    const before = [await mesh.inbound(catalog), await mesh.inbound(status)];
    const forbidden = mesh.get(frontend, `http://${mesh.ip(catalog)}:8080/ticks`, { timeoutMs: 15_000 });
    let keptEnded = false;
    const kept = mesh
      .get(frontend, `http://${mesh.ip(status)}:8080/ticks`, { timeoutMs: 3_000 })
      .finally(() => (keptEnded = true));
    await mesh.until("both connections", async () =>
      (await mesh.inbound(catalog)) > before[0]! && (await mesh.inbound(status)) > before[1]! ? true : null,
    );
    const edited = performance.now();
    await editPolicy(mesh, (text) => text.replace("/sa/frontend", "/sa/nobody"));
    const closed = await forbidden;
    const tookMs = Math.round(performance.now() - edited);
    const survived = !keptEnded;
    await editPolicy(mesh, (text) => text.replace("/sa/nobody", "/sa/frontend"));
    const line = await mesh.accessLine(catalog.node, `src.workload="${frontend.name}"`, "policy change");
    await kept.catch(() => undefined); // ended by its own time limit
    return {
      holds: closed.stdout.includes(catalog.name) && tookMs <= 1_000 && survived,
      seen: [
        `frontend to catalog, now forbidden: closed ${tookMs} ms after the file was saved (${errorOf(line)})`,
        `frontend to status, still allowed: ${survived ? "goes on" : "was closed too"}`,
      ],
    };
  },
};

const untouched: Proof = {
  claim: "a pod outside the mesh is untouched",
  show: async (mesh) => {
    const [monitor, frontend] = [mesh.pod("monitor"), mesh.pod("frontend")];
    const out = await mesh.get(monitor, "http://archive.legacy/");
    const [plain, captured] = [mesh.tables(monitor), mesh.tables(frontend)];
    return {
      holds: answeredBy(out, mesh.pods("archive"), monitor) && plain.length === 0 && captured.length > 0,
      seen: [
        `monitor to archive: ${said(out)}`,
        `rules in its network namespace: ${plain.length === 0 ? "none" : plain.join(", ")} (in frontend's: ${captured.join(", ")})`,
      ],
    };
  },
};

/** In the order in which a newcomer would ask. */
export const proofs: readonly Proof[] = [
  byPodIp,
  byService,
  encrypted,
  identified,
  authorized,
  mutualTls,
  liveEdit,
  untouched,
];
