import { generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "@lateen/testkit";
import { FaultProxy } from "./fault-proxy.ts";
import { ServerProcess } from "./server-process.ts";

export interface ApiServerOptions {
  /** Flags of kube-apiserver besides ours; a later flag wins. */
  readonly flags?: readonly string[];
}

/** An answer of the API server. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** What the server warns of, as kubectl shows it. */
  readonly warnings: readonly string[];
}

const READY_MS = 60_000;
const PORTS = { api: 6_443, etcd: 2_379, peer: 2_380 };

/**
 * Starts etcd and kube-apiserver on a loopback address of their own, with certificates, keys and a folder of their own. Ends both
 * at its disposal; they also end with this process, however that ends.
 */
export async function startApiServer(o: ApiServerOptions = {}): Promise<ApiServer> {
  const api = new ApiServer(await freeAddress(), o.flags ?? []);
  try {
    api.etcd.start();
    api.server.start();
    await api.ready();
    return api;
  } catch (error) {
    await api[Symbol.asyncDispose]();
    throw error;
  }
}

/** One of the 16 million addresses of the loopback network; nobody else listens on its ports. */
async function freeAddress(): Promise<string> {
  for (;;) {
    const address = `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
    if ((await isFree(address, PORTS.api)) && (await isFree(address, PORTS.etcd))) return address;
  }
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}

export class ApiServer implements AsyncDisposable {
  readonly address: string;
  readonly url: string;
  /** Of a member of `system:masters`. */
  readonly adminToken = randomBytes(16).toString("hex");
  readonly etcd: ServerProcess;
  readonly server: ServerProcess;
  readonly #dir: string;
  readonly #agent = new Agent({ keepAlive: false });
  readonly #proxies: FaultProxy[] = [];

  constructor(address: string, flags: readonly string[]) {
    this.address = address;
    this.url = `https://${address}:${PORTS.api}`;
    this.#dir = mkdtempSync(join(tmpdir(), "lateen-api-"));
    this.#writeKeys();
    this.etcd = new ServerProcess(etcdArgs(address, this.#dir), join(this.#dir, "etcd.log"));
    this.server = new ServerProcess([...apiArgs(address, this.#dir), ...flags], join(this.#dir, "api.log"));
  }

  /** The authority of its certificate; it stays the same through restarts. */
  get caPem(): string {
    return this.tls.cert;
  }

  /** Key and certificate of the server, for whoever stands in for it. */
  get tls(): { readonly key: string; readonly cert: string } {
    const read = (name: string): string => readFileSync(join(this.#dir, "certs", name), "utf8");
    return { key: read("apiserver.key"), cert: read("apiserver.crt") };
  }

  /** Writes a kubeconfig. @param o.url of a proxy in front @returns its path */
  kubeconfig(o: { readonly token?: string; readonly url?: string; readonly namespace?: string } = {}): string {
    const file = join(this.#dir, `kubeconfig-${randomBytes(4).toString("hex")}`);
    const ca = Buffer.from(this.caPem).toString("base64");
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster: { server: o.url ?? this.url, "certificate-authority-data": ca } }],
      users: [{ name: "test", user: { token: o.token ?? this.adminToken } }],
      contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: o.namespace ?? "" } }],
      "current-context": "test",
    };
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  /** A proxy in front of it, as the network between. */
  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(this.address, new URL(this.url), this.tls);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** Waits until it serves. */
  async ready(): Promise<void> {
    try {
      await eventually(async () => (await this.call("GET", "/readyz")).status === 200, {
        deadlineMs: READY_MS,
        what: "the API server to be ready",
      });
    } catch (error) {
      throw new Error(`${String(error)}\netcd: ${this.etcd.tail}\nkube-apiserver: ${this.server.tail}`, {
        cause: error,
      });
    }
  }

  /** A call as administrator. @throws when nobody answers */
  call(method: string, path: string, body?: unknown, contentType = "application/json"): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.adminToken}`, "content-type": contentType };
      const options = { method, headers, agent: this.#agent, rejectUnauthorized: false, timeout: 10_000 };
      const sent = request(`${this.url}${path}`, options, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => (text += part));
        response.on("end", () => {
          const warnings = warningsOf(response.headersDistinct["warning"]);
          resolve({ status: response.statusCode ?? 0, body: parse(text), warnings });
        });
        response.on("error", reject);
      });
      sent.on("timeout", () => sent.destroy(new Error("no answer")));
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** As `call`. @returns the body @throws when the answer is not a good one */
  async done<T = unknown>(method: string, path: string, body?: unknown, contentType?: string): Promise<T> {
    const answer = await this.call(method, path, body, contentType);
    if (answer.status >= 200 && answer.status < 300) return answer.body as T; // the test says what it expects
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 500)}`);
  }

  /** Stops and starts it. */
  async restart(signal: "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<void> {
    await this.server.stop(signal);
    this.server.start();
    await this.ready();
  }

  /** Forgets all history: who asks for what was before is told that it is gone. Needs a restart of the server to show in watches. */
  async compact(): Promise<void> {
    const range = await this.#etcd("/v3/kv/range", { key: "AA==" });
    await this.#etcd("/v3/kv/compaction", { revision: range.header.revision, physical: true });
  }

  /** Copies the state, while nothing runs. Both are started again. */
  async backup(): Promise<string> {
    const to = join(this.#dir, `backup-${randomBytes(4).toString("hex")}`);
    await this.#offline(() => cpSync(join(this.#dir, "etcd"), to, { recursive: true }));
    return to;
  }

  /** Puts a copied state in place of the present one, as an operator does after a disaster. Both are started again. */
  async restore(from: string): Promise<void> {
    await this.#offline(() => {
      rmSync(join(this.#dir, "etcd"), { recursive: true });
      cpSync(from, join(this.#dir, "etcd"), { recursive: true });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.#proxies) await proxy[Symbol.asyncDispose]();
    await this.server.stop();
    await this.etcd.stop();
    this.#agent.destroy();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #offline(change: () => void): Promise<void> {
    await this.server.stop();
    await this.etcd.stop("SIGTERM");
    change();
    this.etcd.start();
    this.server.start();
    await this.ready();
  }

  async #etcd(path: string, body: unknown): Promise<{ readonly header: { readonly revision: string } }> {
    const response = await fetch(`http://${this.address}:${PORTS.etcd}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`etcd: ${response.status} ${await response.text()}`);
    return (await response.json()) as { readonly header: { readonly revision: string } };
  }

  #writeKeys(): void {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const write = (name: string, text: string | Buffer): void =>
      writeFileSync(join(this.#dir, name), text, { mode: 0o600 });
    mkdirSync(join(this.#dir, "certs"));
    write("sa.key", privateKey.export({ type: "pkcs8", format: "pem" }));
    write("sa.pub", publicKey.export({ type: "spki", format: "pem" }));
    write("tokens.csv", `${this.adminToken},admin,admin,"system:masters"\n`);
  }
}

function etcdArgs(address: string, dir: string): readonly string[] {
  const client = `http://${address}:${PORTS.etcd}`;
  const peer = `http://${address}:${PORTS.peer}`;
  return [
    ...["etcd", "--data-dir", join(dir, "etcd"), "--unsafe-no-fsync", "--log-level", "warn"],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
  ];
}

/** Nothing beside it runs: no controllers, so no service accounts by themselves and no endpoints of its own. */
function apiArgs(address: string, dir: string): readonly string[] {
  return [
    ...["kube-apiserver", "--bind-address", address, "--secure-port", String(PORTS.api)],
    ...["--etcd-servers", `http://${address}:${PORTS.etcd}`, "--cert-dir", join(dir, "certs")],
    ...["--service-cluster-ip-range", "10.96.0.0/16,fd00:10:96::/112", "--authorization-mode", "Node,RBAC"],
    ...["--token-auth-file", join(dir, "tokens.csv"), "--service-account-issuer", "https://kubernetes.default.svc"],
    ...["--service-account-key-file", join(dir, "sa.pub"), "--service-account-signing-key-file", join(dir, "sa.key")],
    ...["--endpoint-reconciler-type", "none", "--disable-admission-plugins", "ServiceAccount"],
    ...["--allow-privileged=true", "--shutdown-delay-duration=0s"],
  ];
}

/** RFC 7234: `299 - "text"`. */
function warningsOf(headers: readonly string[] | undefined): readonly string[] {
  const quoted = (headers ?? []).flatMap((h) => h.match(/"(?:\\.|[^"\\])*"/g) ?? []);
  return quoted.map((q) => q.slice(1, -1).replace(/\\(.)/g, "$1"));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // /readyz says `ok`
  }
}
