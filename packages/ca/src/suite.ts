import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { type Authority, openAuthority } from "./authority.ts";
import { type CaServiceOptions, caService } from "./ca-service.ts";
import { authenticateCaller, localTokenVerifier } from "./caller.ts";
import type { PodFacts } from "./impersonation.ts";
import { type TokenSubject, generateTokenKey, signLocalToken } from "./local-token.ts";

/** An authority behind real gRPC over TLS on loopback, with one trusted node proxy on `node-a`. */
export interface TestCa extends AsyncDisposable {
  readonly dir: string;
  readonly authority: Authority;
  readonly address: string;
  readonly rootFile: string;
  readonly tokenFile: string;
  readonly pods: PodFacts[];
  /** What the service logged, newest last. */
  readonly logged: { readonly message: string; readonly why: string }[];
  token(subject?: Partial<TokenSubject>, audiences?: readonly string[]): string;
}

const ZTUNNEL: TokenSubject = {
  namespace: "istio-system",
  serviceAccount: "ztunnel",
  pod: { name: "ztunnel-a", uid: "z1" },
  node: "node-a",
};
const pod = (name: string, namespace: string, serviceAccount: string, node: string): PodFacts => ({
  name,
  namespace,
  serviceAccount,
  node,
  uid: name === "ztunnel-a" ? "z1" : `uid-${name}`,
  phase: "Running",
});

export async function startTestCa(change: Partial<CaServiceOptions> = {}): Promise<TestCa> {
  const dir = await mkdtemp(join(tmpdir(), "lateen-ca-"));
  const authority = await openAuthority({ keys: join(dir, "ca"), trustDomain: "td", nowMs: Date.now });
  const key = generateTokenKey();
  const verifyToken = localTokenVerifier({ publicKeyPem: key.publicKeyPem, audience: "istio-ca", nowMs: Date.now });
  const pods = [pod("ztunnel-a", "istio-system", "ztunnel", "node-a"), pod("app", "ns", "sa", "node-a")];
  const clusters = { local: "Kubernetes" };
  const logged: { message: string; why: string }[] = [];
  const log = (message: string, fields?: unknown): void => {
    logged.push({ message, why: JSON.stringify(fields) });
  };
  const { definition, implementation } = caService({
    authority,
    authenticate: (proof) => authenticateCaller(proof, { trustDomain: "td", verifyToken, clusters }),
    clusters,
    pods: () => ({
      pod: (namespace, name) => pods.find((p) => p.namespace === namespace && p.name === name) ?? null,
      podsOnNode: (node) => pods.filter((p) => p.node === node),
    }),
    trustedNodeAccounts: ["istio-system/ztunnel"],
    log: { info: log, warn: log },
    ...change,
  });
  const server = new Server();
  server.addService(definition, implementation);
  const port = await listen(server, authority);
  const token: TestCa["token"] = (subject = {}, audiences = ["istio-ca"]) =>
    signLocalToken(
      { ...ZTUNNEL, ...subject },
      { privateKeyPem: key.privateKeyPem, issuer: "lateen", audiences, nowMs: Date.now(), ttlSec: 600 },
    );
  const [rootFile, tokenFile] = [join(dir, "root-cert.pem"), join(dir, "token")];
  await writeFile(rootFile, authority.rootsPem);
  await writeFile(tokenFile, `${token()}\n`);
  return {
    dir,
    authority,
    address: `https://localhost:${port}`,
    rootFile,
    tokenFile,
    pods,
    logged,
    token,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** TLS that asks for a client certificate and does not insist. */
class Optional extends ServerCredentials {
  constructor(tls: { keyPem: string; chainPem: string }, roots: string) {
    super(
      { requestCert: true, rejectUnauthorized: false },
      { key: Buffer.from(tls.keyPem), cert: Buffer.from(tls.chainPem), ca: Buffer.from(roots) },
    );
  }
  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

async function listen(server: Server, authority: Authority): Promise<number> {
  const tls = await authority.issueServer({
    names: [
      { t: "dns", value: "localhost" },
      { t: "ip", value: "127.0.0.1" },
    ],
    ttlSec: 3_600,
  });
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", new Optional(tls, authority.rootsPem), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}
