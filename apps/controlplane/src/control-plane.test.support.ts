import { Buffer } from "node:buffer";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ClientDuplexStream, Metadata, type StatusObject } from "@grpc/grpc-js";
import {
  type CaClient,
  type TokenSubject,
  type WorkloadCertificate,
  createCaClient,
  generateTokenKey,
  secureChannel,
  signLocalToken,
} from "@lateen/ca";
import { createLogging } from "@lateen/telemetry";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  createDeltaDiscoveryRequest,
  createNode,
  deltaDiscoveryMethod,
} from "@lateen/xds-types";
import { parseConfig } from "./config.ts";
import { type ControlPlane, startControlPlane } from "./wire.ts";

export { ADDRESS_TYPE, AUTHORIZATION_TYPE };

/** Longest that a test waits for an answer. */
const DEADLINE_MS = 10_000;

const ZTUNNEL: TokenSubject = {
  namespace: "istio-system",
  serviceAccount: "ztunnel",
  pod: { name: "ztunnel-a", uid: "uid-ztunnel-a" },
  node: "node-a",
};

export const podYaml = (
  name: string,
  o: { ns?: string; sa?: string; node?: string; ip: string; app?: string },
): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: o.ns ?? "shop",
      uid: `uid-${name}`,
      labels: { app: o.app ?? name },
      annotations: { "ambient.istio.io/redirection": "enabled" },
    },
    spec: { nodeName: o.node ?? "node-a", serviceAccountName: o.sa ?? name, containers: [{ name: "main" }] },
    status: {
      phase: "Running",
      podIP: o.ip,
      podIPs: [{ ip: o.ip }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  });

export const policyYaml = (name: string, from: string): string =>
  `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  rules:
    - from: [{ source: { principals: ["cluster.local/ns/shop/sa/${from}"] } }]
`;

/** One message that came, or the end of the stream. */
export type Heard =
  | { readonly t: "response"; readonly type: string; readonly names: string[]; readonly removed: string[] }
  | { readonly t: "end"; readonly status: StatusObject };

/** A delta client that answers what it gets and remembers versions. */
export class TestClient implements Disposable {
  readonly versions = new Map<string, Map<string, string>>();
  /** `type name` of everything that was got and not removed, with its bytes. */
  readonly bodies = new Map<string, string>();
  readonly #client: Client;
  readonly #call: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
  readonly #heard: Heard[] = [];
  #wake: () => void = () => undefined;
  #first = true;

  constructor(client: Client, token: string | null) {
    this.#client = client;
    const metadata = new Metadata();
    if (token !== null) metadata.set("authorization", `Bearer ${token}`);
    const { path, requestSerialize, responseDeserialize } = deltaDiscoveryMethod;
    this.#call = client.makeBidiStreamRequest(
      path,
      (m: DeltaDiscoveryRequest) => Buffer.from(requestSerialize(m)),
      responseDeserialize,
      metadata,
    );
    this.#call.on("data", (response: DeltaDiscoveryResponse) => this.#take(response));
    this.#call.on("error", () => undefined); // its status says the same
    this.#call.on("status", (status: StatusObject) => this.#hear({ t: "end", status }));
  }

  subscribe(typeUrl: string, known: ReadonlyMap<string, string> = new Map()): void {
    this.versions.set(typeUrl, new Map(known));
    this.#send({ typeUrl, initialResourceVersions: new Map(known), resourceNamesSubscribe: ["*"] });
  }

  /** Asks for what is not configuration. */
  ask(typeUrl: string, names: readonly string[]): void {
    this.#send({ typeUrl, resourceNamesSubscribe: [...names] });
  }

  /** The next message; fails at the deadline. */
  async next(): Promise<Heard> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (this.#heard.length === 0) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      deadline.addEventListener("abort", () => reject(new Error(`heard nothing for ${DEADLINE_MS} ms`)), {
        once: true,
      });
      await promise;
    }
    return this.#heard.shift() as Heard;
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
    this.#client.close();
  }

  #take(response: DeltaDiscoveryResponse): void {
    const { typeUrl, nonce, resources, removedResources } = response;
    const versions = this.versions.get(typeUrl) ?? new Map<string, string>();
    for (const { name, version, resource } of resources) {
      versions.set(name, version);
      this.bodies.set(`${typeUrl} ${name}`, Buffer.from(resource?.value ?? new Uint8Array()).toString("hex"));
    }
    for (const name of removedResources) {
      versions.delete(name);
      this.bodies.delete(`${typeUrl} ${name}`);
    }
    this.#send({ typeUrl, responseNonce: nonce });
    this.#hear({
      t: "response",
      type: typeUrl,
      names: resources.map((r) => r.name).sort(),
      removed: [...removedResources],
    });
  }

  #send(request: Partial<DeltaDiscoveryRequest>): void {
    const node = this.#first
      ? createNode({ id: "ztunnel~10.0.0.1~ztunnel-a.istio-system~istio-system.svc.cluster.local" })
      : null;
    this.#first = false;
    this.#call.write(createDeltaDiscoveryRequest({ ...request, node }));
  }

  #hear(heard: Heard): void {
    this.#heard.push(heard);
    this.#wake();
  }
}

/** A client of the control plane at a port, of loopback unless another host is named. */
export function discoveryClient(
  port: number,
  rootPem: string,
  by: { readonly token?: string; readonly certificate?: WorkloadCertificate },
  host = "localhost",
): TestClient {
  const { target, credentials, options } = secureChannel({
    address: `https://${host}:${port}`,
    rootPem,
    alternativeHostname: null,
    own: by.certificate ?? null,
  });
  // Channels with equal credentials are shared across tests otherwise.
  const client = new Client(target, credentials, { ...options, "grpc.use_local_subchannel_pool": 1 });
  return new TestClient(client, by.token ?? null);
}

/** A control plane in this process, on loopback, over a folder of its own. */
export class Rig implements AsyncDisposable {
  readonly dir: string;
  readonly lines: string[] = [];
  readonly key = generateTokenKey();
  plane: ControlPlane | null = null;

  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), "controlplane-"));
    mkdirSync(join(this.dir, "config"));
    writeFileSync(join(this.dir, "token-key.pem"), this.key.publicKeyPem);
    this.put("ztunnel.json", podYaml("ztunnel-a", { ns: "istio-system", sa: "ztunnel", ip: "10.0.0.1" }));
    this.put("web.json", podYaml("web", { ip: "10.0.0.2" }));
    this.put("far.json", podYaml("far", { ip: "10.0.1.2", node: "node-b" }));
    this.put("allow.yaml", policyYaml("allow", "front"));
  }

  get env(): Readonly<Record<string, string>> {
    return {
      CONFIG_DIRS: join(this.dir, "config"),
      STATE_DIR: join(this.dir, "state"),
      TOKEN_KEY_FILE: join(this.dir, "token-key.pem"),
      DISCOVERY_ADDRESS: "127.0.0.1:0",
      READINESS_ADDRESS: "127.0.0.1:0",
      DEBUG_ADDRESS: "127.0.0.1:0",
    };
  }

  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const config = parseConfig({ ...this.env, ...env });
    if (!config.ok) throw config.error;
    const logging = createLogging({ write: (line) => this.lines.push(line), nowMicros: () => 0 });
    this.plane = await startControlPlane(config.value, logging);
  }

  async stop(): Promise<void> {
    await this.plane?.[Symbol.asyncDispose]();
    this.plane = null;
  }

  /** Replaces a file as a whole. */
  put(name: string, text: string): void {
    writeFileSync(join(this.dir, "new"), text);
    renameSync(join(this.dir, "new"), join(this.dir, "config", name));
  }

  token(o: { audience?: string; ttlSec?: number; subject?: Partial<TokenSubject>; key?: string } = {}): string {
    return signLocalToken(
      { ...ZTUNNEL, ...o.subject },
      {
        privateKeyPem: o.key ?? this.key.privateKeyPem,
        issuer: "test",
        audiences: [o.audience ?? "istio-ca"],
        nowMs: Date.now(),
        ttlSec: o.ttlSec ?? 600,
      },
    );
  }

  client(by: { token?: string; certificate?: WorkloadCertificate } = { token: this.token() }): TestClient {
    return discoveryClient(this.plane?.port ?? 0, readFileSync(join(this.dir, "state/root-cert.pem"), "utf8"), by);
  }

  ca(token = this.token()): CaClient {
    writeFileSync(join(this.dir, "token"), token);
    return createCaClient({
      address: `https://localhost:${this.plane?.port}`,
      rootFile: join(this.dir, "state/root-cert.pem"),
      tokenFile: join(this.dir, "token"),
      clusterId: "Kubernetes",
      mode: "shared",
      ttlSec: 3_600,
    });
  }

  async debug(page: string): Promise<unknown> {
    return (await fetch(`http://127.0.0.1:${this.plane?.debugPort}/debug/${page}`)).json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
