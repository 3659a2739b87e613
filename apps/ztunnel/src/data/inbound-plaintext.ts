import { type SocketAddress, ipFamily } from "@lateen/addresses";
import type { Cancel, SocketStream } from "@lateen/datapath";
import { type Connection, decide, policyKey } from "@lateen/policy";
import type { Workload } from "@lateen/workload-model";
import { CONNECT_TIMEOUT_MS, PROXY_PORTS } from "./limits.ts";
import { OpenConnection, earlyDeny } from "./open-connection.ts";
import type { PodContext } from "./pod-context.ts";

/**
 * A redirected connection that is not HBONE (dataplane 6.6): judged with no identity, then carried to the application with the
 * peer's address as source.
 */
export function acceptPlaintext(pod: PodContext, stream: SocketStream, spoofs: boolean): void {
  const dst = stream.originalDestination();
  const deny = (why: string): void => {
    earlyDeny(pod, { direction: "inbound", src: stream.remote, dst }, why);
    stream.abort();
  };
  if (PROXY_PORTS.has(dst.port)) return deny("attempted recursive call to ourselves");
  pod.whenWorkload((own) => {
    if (own === null) return deny(noWorkload(pod));
    carryPlaintext(pod, own, { stream, dst, spoofs });
  });
}

export function noWorkload(pod: PodContext): string {
  const { namespace, name, serviceAccount } = pod.info;
  return `failed to fetch information about local workload: ${namespace}/${name} (${serviceAccount}) is not known to the control plane`;
}

function carryPlaintext(
  pod: PodContext,
  own: Workload,
  about: { readonly stream: SocketStream; readonly dst: SocketAddress; readonly spoofs: boolean },
): void {
  const { stream, dst } = about;
  const { thread } = pod;
  const judged: Connection = { identity: null, source: stream.remote, destination: dst };
  const connection = new OpenConnection(
    pod,
    {
      direction: "inbound",
      src: stream.remote,
      srcWorkload: thread.workloads.workloadByIp(thread.config.network, stream.remote.ip),
      srcBaggage: null,
      srcIdentity: null,
      dst,
      hboneAuthority: null,
      dstService: thread.workloads.serviceOf(own, dst.port),
      dstWorkload: own,
      dstIdentity: null,
    },
    { downstream: stream, judged, originalDst: dst },
  );
  if (refuseByPolicy(pod, own, connection, judged)) return;
  connectToApplication(pod, { to: dst, peer: stream.remote, spoofs: about.spoofs, redirected: true }, (result) => {
    if (result.ok) connection.carry(stream, result.value);
    else connection.fail({ flag: "CONNECT", error: `connection failed: ${result.error.message}`, refusedBy: null });
  });
}

/** Judges a connection to this workload; when policy refuses, ends it and says by which policy and rule. */
export function refuseByPolicy(
  pod: PodContext,
  own: Workload,
  connection: OpenConnection,
  judged: Connection,
): boolean {
  const policies = pod.thread.policies.applicable(own);
  const decision = decide(policies, judged);
  if (decision.allow) return false;
  connection.fail({
    flag: "DENY",
    error: `connection closed due to policy rejection: ${decision.reason}`,
    // An ALLOW miss is nobody's rule: the log names the policies that would have had to allow it.
    refusedBy: { policy: decision.policy ?? policies.allow.map(policyKey).join(","), rule: decision.rule },
  });
  return true;
}

/** Below those that kernels give to clients of their own accord, above those with a name. */
const APART = { from: 16_384, count: 16_384, tries: 4 };

/**
 * Between the pod's kernel and us, a redirected connection and the one that we open for it differ by the client's port alone. Were
 * ours to have the port of another connection of that client, its packets would be taken for that one's, and end it.
 */
const portsApart = (random: () => number): readonly number[] =>
  Array.from({ length: APART.tries }, () => APART.from + Math.floor(random() * APART.count));

/**
 * Dials the application; it sees the peer's address unless that is its own, the families differ, or the kernel does not give it,
 * which is worth a warning and no more (dataplane 4.4).
 */
export function connectToApplication(
  pod: PodContext,
  target: {
    readonly to: SocketAddress;
    readonly peer: SocketAddress;
    readonly spoofs: boolean;
    /** The peer's own connection is one to the application, redirected to us. */
    readonly redirected: boolean;
  },
  done: Parameters<PodContext["thread"]["path"]["connect"]>[1],
): Cancel {
  const { path, config } = pod.thread;
  const { to, peer } = target;
  const { mark, keepAlive } = config;
  const socket = { netns: pod.netns, tenant: pod.info.uid, mark, keepAlive, sameNamespace: true };
  const base = { ...socket, to, timeoutMs: CONNECT_TIMEOUT_MS };
  const spoof = target.spoofs && peer.ip !== to.ip && ipFamily(peer.ip) === ipFamily(to.ip);
  if (!spoof) return path.connect({ ...base, from: null }, done);
  let plain: Cancel | null = null;
  const fromPorts = target.redirected ? portsApart(pod.thread.random) : [];
  const spoofed = path.connect({ ...base, from: peer.ip, fromPorts }, (result) => {
    if (result.ok || result.error.facts["source"] === undefined) return done(result);
    pod.thread.log.warn("cannot keep the source address", { source: peer.ip, error: result.error.message });
    plain = path.connect({ ...base, from: null }, done);
  });
  return () => (plain ?? spoofed)();
}
