import type { GatewayWorld, Material } from "./gateway-world.ts";
import { type Referrer, isKind, isReferenceAllowed, kindOf } from "./reference-grants.ts";
import type { Fault } from "./status-conditions.ts";
import type { CaRef, GatewayTls, Listener } from "./status-objects.ts";

const TERMINATE_MODE = "gateway.istio.io/tls-terminate-mode";
/** Modes in which the proxy's own certificate serves. */
const OWN_CERTIFICATE: ReadonlySet<string> = new Set(["ISTIO_SIMPLE", "ISTIO_MUTUAL"]);
const MAX_CERTIFICATES = 2;

/** Reasons that make a listener unacceptable, and not just unusable. */
export const UNACCEPTABLE: ReadonlySet<string> = new Set([
  "InvalidCACertificateRef",
  "InvalidCACertificateKind",
  "RefNotPermitted",
]);

interface CertificateRef {
  readonly group?: string | undefined;
  readonly kind?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** What is wrong with the certificates of a listener. @see Gateway API, "TLS Configuration" */
export function tlsFault(
  world: GatewayWorld,
  listener: Listener,
  at: { readonly from: Referrer; readonly tls: GatewayTls | null; readonly port: number },
): Fault | null {
  const { tls } = listener;
  if (tls === undefined || (tls.mode ?? "Terminate") !== "Terminate") return null;
  if (OWN_CERTIFICATE.has(tls.options?.[TERMINATE_MODE] ?? "")) return null;
  const refs = tls.certificateRefs ?? [];
  if (refs.length > MAX_CERTIFICATES)
    return { reason: "InvalidCertificateRef", message: `at most ${MAX_CERTIFICATES} certificates can be used` };
  const faults = refs.flatMap((ref) => certificateFault(world, ref, at.from, CERTIFICATE) ?? []);
  if (faults.length === refs.length) return joined(faults);
  return validationFault(world, at);
}

/** One of several certificates that can be used is enough. */
function joined(faults: readonly Fault[]): Fault | null {
  const [first] = faults;
  return first === undefined ? null : { reason: first.reason, message: faults.map((f) => f.message).join("; ") };
}

interface Reasons {
  readonly what: string;
  readonly invalid: string;
}
const CERTIFICATE: Reasons = { what: "certificateRef", invalid: "InvalidCertificateRef" };
const CLIENT_CERTIFICATE: Reasons = { what: "clientCertificateRef", invalid: "InvalidClientCertificateRef" };

function certificateFault(world: GatewayWorld, ref: CertificateRef, from: Referrer, as: Reasons): Fault | null {
  const kind = kindOf(ref, { group: "", kind: "Secret" });
  const namespace = ref.namespace ?? from.namespace;
  const where = `${as.what} ${namespace}/${ref.name}`;
  if (!isKind(kind, "", "Secret"))
    return {
      reason: as.invalid,
      message: `${where} is a ${kind.kind} of group "${kind.group}": only Secrets can be used`,
    };
  const fault = materialFault(world.certificate(`${namespace}/${ref.name}`), where, as.invalid);
  if (fault !== null) return fault;
  if (isReferenceAllowed(world, from, { ...kind, namespace, name: ref.name })) return null;
  return notPermitted(where, from);
}

function materialFault(material: Material, where: string, reason: string): Fault | null {
  switch (material.t) {
    case "good":
      return null;
    case "absent":
      return { reason, message: `${where} does not exist` };
    case "bad":
      return { reason, message: `${where} cannot be used: ${material.why}` };
  }
}

const notPermitted = (where: string, from: Referrer): Fault => ({
  reason: "RefNotPermitted",
  message: `${where} is of another namespace, and no ReferenceGrant there allows it to a ${from.kind} of ${from.namespace}`,
});

/** What clients must show: roots by port, or else by default. */
function validationFault(
  world: GatewayWorld,
  { from, tls, port }: { readonly from: Referrer; readonly tls: GatewayTls | null; readonly port: number },
): Fault | null {
  const frontend = tls?.frontend;
  const own = frontend?.perPort?.find((p) => p.port === port)?.tls ?? frontend?.default;
  const refs = own?.validation?.caCertificateRefs ?? [];
  const [ref, ...more] = refs;
  if (ref === undefined) return null;
  if (more.length > 0) return { reason: "InvalidCACertificateRef", message: "only one caCertificateRef can be used" };
  return rootsFault(world, ref, from);
}

function rootsFault(world: GatewayWorld, ref: CaRef, from: Referrer): Fault | null {
  const namespace = ref.namespace ?? from.namespace;
  const where = `caCertificateRef ${namespace}/${ref.name}`;
  if (ref.group !== "" || (ref.kind !== "Secret" && ref.kind !== "ConfigMap"))
    return {
      reason: "InvalidCACertificateKind",
      message: `${where} is a ${ref.kind} of group "${ref.group}": only Secrets and ConfigMaps can be used`,
    };
  const material = world.roots(ref.kind, `${namespace}/${ref.name}`);
  const fault = materialFault(material, where, "InvalidCACertificateRef");
  if (fault !== null) return fault;
  const to = { group: "", kind: ref.kind, namespace, name: ref.name };
  return isReferenceAllowed(world, from, to) ? null : notPermitted(where, from);
}

/** What is wrong with the certificate that a Gateway shows to backends. */
export function clientCertificateFault(world: GatewayWorld, tls: GatewayTls | null, from: Referrer): Fault | null {
  const ref = tls?.backend?.clientCertificateRef;
  return ref === undefined ? null : certificateFault(world, ref, from, CLIENT_CERTIFICATE);
}

/** Whether some listener lets clients in whose certificates nobody verified. */
export function isInsecureFallback(tls: GatewayTls | null): boolean {
  const { default: standard, perPort = [] } = tls?.frontend ?? {};
  return [standard, ...perPort.map((p) => p.tls)].some((t) => t?.validation?.mode === "AllowInsecureFallback");
}
