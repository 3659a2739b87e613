import { parseIp } from "@lateen/addresses";
import type { Authority } from "@lateen/ca";
import { refreshDueMs } from "@lateen/certificates";
import { type Clock, sleep } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import type { Config } from "./config.ts";
import { OptionalClientCertificate, type ServerTls } from "./server-credentials.ts";

/** Pause before another try when a renewal failed. */
const RETRY_MS = 30_000;

/** Names by which clients know the control plane; Istio's, so that its clients need no other. @see control-plane 6.8 */
function namesOf({ ROOT_NAMESPACE, POD_NAMESPACE, CLUSTER_DOMAIN: domain, REVISION, SERVER_NAMES }: Config): string[] {
  const revisioned = REVISION === "default" ? [] : [`istiod-${REVISION}`];
  return [
    ...[ROOT_NAMESPACE, POD_NAMESPACE].flatMap((ns) => [
      ...["istiod", ...revisioned].flatMap((service) => [`${service}.${ns}.svc`, `${service}.${ns}.svc.${domain}`]),
      ...[`istiod-remote.${ns}.svc`, `istio-pilot.${ns}.svc`, `lateen-controlplane.${ns}.svc`],
    ]),
    ...["lateen-controlplane", "localhost", "127.0.0.1", "::1"],
    ...SERVER_NAMES,
  ];
}

/** What the server shows of itself. */
export interface OwnCertificate {
  readonly credentials: OptionalClientCertificate;
  /** Gets another one now: the authority has changed. Never fails: what cannot be had now is tried again later. */
  renew(): Promise<void>;
}

/** The control plane's own certificate, issued by its own authority and renewed at half of its life. */
export async function serverCredentials(
  authority: Authority,
  config: Config,
  o: { readonly signal: AbortSignal; readonly clock: Clock; readonly log: Logger },
): Promise<OwnCertificate> {
  const names = [...new Set(namesOf(config))].map((name) => {
    const ip = parseIp(name);
    return ip.ok ? ({ t: "ip", value: ip.value } as const) : ({ t: "dns", value: name } as const);
  });
  const issue = async (): Promise<{ readonly tls: ServerTls; readonly dueMs: number }> => {
    const made = await authority.issueServer({ names, ttlSec: config.SERVER_CERT_TTL / 1_000 });
    return { tls: { ...made, rootsPem: authority.rootsPem }, dueMs: refreshDueMs(made) };
  };
  const first = await issue();
  let { dueMs } = first;
  const credentials = new OptionalClientCertificate(first.tls);
  const renew = async (): Promise<void> => {
    try {
      const next = await issue();
      credentials.replace(next.tls);
      dueMs = next.dueMs;
      o.log.info("server certificate renewed");
    } catch (error) {
      o.log.error("cannot renew the server certificate", { error: String(error) });
      dueMs = o.clock.nowMs() + RETRY_MS;
    }
  };
  // One after the other, so that what was issued last is what is shown.
  let last: Promise<void> = Promise.resolve();
  const again = (): Promise<void> => (last = last.then(renew));
  const inTime = async (): Promise<void> => {
    for (;;) {
      await sleep(Math.max(0, dueMs - o.clock.nowMs()), o);
      if (dueMs <= o.clock.nowMs()) await again();
    }
  };
  inTime().catch(() => undefined); // ends with the signal
  return { credentials, renew: again };
}
