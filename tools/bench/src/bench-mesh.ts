import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Ports of the server: HTTP (fortio), bulk (iperf3) and small messages. */
export const HTTP_PORT = 8080;
export const BULK_PORT = 5201;
export const ECHO_PORT = 7007;
const ECHO_SERVER = fileURLToPath(new URL("./echo-server.ts", import.meta.url));
const RELAY = fileURLToPath(new URL("./relay.ts", import.meta.url));

export interface PodSpec {
  readonly namespace: "meshed" | "plain";
  readonly name: string;
  readonly node: "node-1" | "node-2";
  readonly commands: readonly (readonly string[])[];
}

export const object = ({ namespace, name, node, commands }: PodSpec): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace, labels: { app: name } },
  spec: {
    nodeName: node,
    serviceAccountName: "default",
    containers: commands.map((command, i) => ({ name: `c${i}`, command })),
  },
});

/** A headless Service: its name stands for the pod's own address, so that nothing is in between. */
export const headless = ({ namespace, name }: PodSpec): object => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace },
  spec: { clusterIP: "None", selector: { app: name }, ports: [{ port: HTTP_PORT }] },
});

/** The same client and server with the mesh and without, and two relays between the latter. */
function pods(fortio: string, certificates: string): readonly PodSpec[] {
  const ports = [HTTP_PORT, BULK_PORT, ECHO_PORT].join(",");
  const relay = (...args: readonly string[]): readonly string[] => ["node", RELAY, ...args];
  const server = [
    ["iperf3", "-s", "-p", String(BULK_PORT)],
    ["node", ECHO_SERVER, String(ECHO_PORT)],
    [
      fortio,
      "server",
      "-http-port",
      String(HTTP_PORT),
      "-grpc-port",
      "disabled",
      "-redirect-port",
      "disabled",
      "-tcp-port",
      "disabled",
      "-udp-port",
      "disabled",
    ],
  ];
  const client = [["sleep", "3600"]];
  return [
    { namespace: "plain", name: "server", node: "node-2", commands: server },
    { namespace: "plain", name: "client", node: "node-1", commands: client },
    { namespace: "meshed", name: "server", node: "node-2", commands: server },
    { namespace: "meshed", name: "client", node: "node-1", commands: client },
    { namespace: "plain", name: "tcp-far", node: "node-2", commands: [relay("tcp", "server.plain", ports)] },
    { namespace: "plain", name: "tcp-near", node: "node-1", commands: [relay("tcp", "tcp-far.plain", ports)] },
    {
      namespace: "plain",
      name: "tls-far",
      node: "node-2",
      commands: [relay("tls-in", "server.plain", ports, certificates)],
    },
    {
      namespace: "plain",
      name: "tls-near",
      node: "node-1",
      commands: [relay("tls-out", "tls-far.plain", ports, certificates)],
    },
  ];
}

/** A self-signed P-256 certificate that both TLS relays show and trust; throw-away, made by the machine's openssl. */
function makeCertificate(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, `${name}.pem`);
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", [...args, "-subj", "/CN=relay", "-keyout", at("key"), "-out", at("cert")], {
    stdio: "ignore",
  });
  cpSync(at("cert"), at("root"));
}

/** The namespaces of every bench: one in the mesh, one outside. */
export function copyNamespaces(folder: string): void {
  cpSync(fileURLToPath(new URL("../mesh/namespaces.yaml", import.meta.url)), join(folder, "namespaces.yaml"));
}

/** Writes the manifests of the bench's mesh. @returns their folder */
export function writeBenchMesh(home: string, fortio: string): string {
  const certificates = join(home, "certificates");
  makeCertificate(certificates);
  const folder = join(home, "mesh");
  mkdirSync(folder, { recursive: true });
  copyNamespaces(folder);
  const all = pods(fortio, certificates);
  writeFileSync(
    join(folder, "pods.json"),
    JSON.stringify({ apiVersion: "v1", kind: "List", items: all.flatMap((pod) => [object(pod), headless(pod)]) }),
  );
  return folder;
}
