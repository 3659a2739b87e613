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

/** The control plane's own certificate, issued by its own authority and renewed at half of its life. */
export async function serverCredentials(
  authority: Authority,
  config: Config,
  o: { readonly signal: AbortSignal; readonly clock: Clock; readonly log: Logger },
): Promise<OptionalClientCertificate> {
  const names = [...new Set(namesOf(config))].map((name) => {
    const ip = parseIp(name);
    return ip.ok ? ({ t: "ip", value: ip.value } as const) : ({ t: "dns", value: name } as const);
  });
  const issue = async (): Promise<{ readonly tls: ServerTls; readonly dueMs: number }> => {
    const made = await authority.issueServer({ names, ttlSec: config.SERVER_CERT_TTL / 1_000 });
    return { tls: { ...made, rootsPem: authority.rootsPem }, dueMs: refreshDueMs(made) };
  };
  const first = await issue();
  const credentials = new OptionalClientCertificate(first.tls);
  const renew = async (): Promise<void> => {
    for (let { dueMs } = first; ;) {
      await sleep(Math.max(0, dueMs - o.clock.nowMs()), o);
      try {
        const next = await issue();
        credentials.replace(next.tls);
        dueMs = next.dueMs;
        o.log.info("server certificate renewed");
      } catch (error) {
        o.log.error("cannot renew the server certificate", { error: String(error) });
        dueMs = o.clock.nowMs() + RETRY_MS;
      }
    }
  };
  renew().catch(() => undefined); // ends with the signal
  return credentials;
}
