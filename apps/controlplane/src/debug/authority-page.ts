import { type Authority, splitBundle } from "@lateen/ca";
import { parseCertificates, serialDecimal } from "@lateen/certificates";

/** A certificate for people: its serial number as `lateenctl ztunnel-config certificate` prints it. */
export interface CertificateSummary {
  /** Lower-case hex. */
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
}

/** The authority for people. Keys are not in it. */
export function describeAuthority({ trustDomain, rootsPem, signingPem, problems }: Authority): {
  readonly trustDomain: string;
  readonly roots: readonly CertificateSummary[];
  readonly signing: readonly CertificateSummary[];
  readonly problems: readonly string[];
} {
  return { trustDomain, roots: splitBundle(rootsPem).map(summary), signing: signingPem.map(summary), problems };
}

export function summary(pem: string): CertificateSummary {
  const parsed = parseCertificates(pem);
  const [certificate] = parsed.ok ? parsed.value : [];
  if (certificate === undefined) return { serial: "", notBefore: "", notAfter: "" };
  const iso = (ms: number): string => new Date(ms).toISOString().replace(".000Z", "Z");
  return {
    serial: BigInt(serialDecimal(certificate)).toString(16),
    notBefore: iso(certificate.notBeforeMs),
    notAfter: iso(certificate.notAfterMs),
  };
}
