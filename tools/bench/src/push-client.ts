import { Buffer } from "node:buffer";
import process from "node:process";
import { Client, type ClientDuplexStream, Metadata } from "@grpc/grpc-js";
import { secureChannel } from "@lateen/ca";
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type Resource,
  createDeltaDiscoveryRequest,
  createNode,
  decodeAddress,
  deltaDiscoveryMethod,
  structFromJson,
} from "@lateen/xds-types";
import { type PushClientAsk, type PushClientTold, machineMs, readMark } from "./push-messages.ts";

// Plays many node proxies: each has a connection and a stream of its own, reads all that comes and answers it. The first gets
// everything; the others come back with its versions, as proxies do that were there before.
const tell = (told: PushClientTold): void => void process.send?.(told);
type Ask = Extract<PushClientAsk, { t: "connect" }>;
type Call = ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

const versions = new Map<string, Map<string, string>>([
  [ADDRESS_TYPE, new Map()],
  [AUTHORIZATION_TYPE, new Map()],
]);
/** Resources of a version are equal, so what one of them says is read once. */
const marks = new Map<string, number | null>();
const heard = new Map<number, { times: number; lastMs: number }>();
let clients = 0;

function markOf({ version, resource }: Resource): number | null {
  const known = marks.get(version);
  if (known !== undefined) return known;
  const address = decodeAddress(resource?.value ?? new Uint8Array(0));
  const mark = address.ok && address.value.t === "workload" ? readMark(address.value.workload.canonicalRevision) : null;
  if (marks.size > 10_000) marks.clear();
  marks.set(version, mark);
  return mark;
}

function hear(response: DeltaDiscoveryResponse): void {
  const nowMs = machineMs();
  for (const resource of response.resources) {
    const mark = markOf(resource);
    if (mark === null) continue;
    const of = heard.get(mark) ?? { times: 0, lastMs: 0 };
    heard.set(mark, { times: of.times + 1, lastMs: nowMs });
  }
}

/** @returns once it has everything of both types */
function open(o: Ask, number: number): Promise<void> {
  const { target, credentials, options } = secureChannel({
    address: `https://localhost:${o.port}`,
    rootPem: o.rootPem,
    alternativeHostname: null,
    own: null,
  });
  const client = new Client(target, credentials, {
    ...options,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
  });
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${o.token}`);
  const { path, requestSerialize, responseDeserialize } = deltaDiscoveryMethod;
  const call: Call = client.makeBidiStreamRequest(
    path,
    (m: DeltaDiscoveryRequest) => Buffer.from(requestSerialize(m)),
    responseDeserialize,
    metadata,
  );
  const node = createNode({
    id: `ztunnel~10.0.0.1~ztunnel-${number}.istio-system~istio-system.svc.cluster.local`,
    metadata: structFromJson({ NAMESPACE: "istio-system", NODE_NAME: `node-${number}` }),
  });
  const waiting = new Set(versions.keys());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  call.on("error", reject);
  call.on("data", (response: DeltaDiscoveryResponse) => {
    const { typeUrl, nonce: responseNonce } = response;
    call.write(createDeltaDiscoveryRequest({ typeUrl, responseNonce }));
    if (!waiting.delete(typeUrl)) return hear(response);
    if (number === 0) for (const { name, version } of response.resources) versions.get(typeUrl)?.set(name, version);
    if (waiting.size === 0) resolve();
  });
  for (const [typeUrl, initialResourceVersions] of versions)
    call.write(createDeltaDiscoveryRequest({ node, typeUrl, initialResourceVersions }));
  clients += 1;
  return promise;
}

async function connect(o: Ask): Promise<void> {
  const startedMs = machineMs();
  await open(o, 0);
  const fullMs = machineMs() - startedMs;
  // One after another: what a storm of them costs is not measured here.
  for (let i = 1; i < o.count; i++) await open(o, i);
  tell({ t: "connected", fullMs, resumedMs: machineMs() - startedMs - fullMs });
}

process.on("message", (ask: PushClientAsk) => {
  if (ask.t === "connect") {
    connect(ask).catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    });
    return;
  }
  const all = [...heard].filter(([, { times }]) => times >= clients);
  tell({ t: "heard", allMs: all.map(([number, { lastMs }]) => [number, lastMs] as const) });
});
process.once("disconnect", () => process.exit(0));
