import { type Authority, splitBundle } from "@lateen/ca";
import { type Reply, jsonReply } from "@lateen/admin-http";
import { Code, httpStatus } from "@lateen/errors";
import type { RotationKeeper } from "../rotation/rotation-keeper.ts";
import { parseCertificates, serialDecimal } from "@lateen/certificates";

/** A certificate for people: its serial number as `lateenctl ztunnel-config certificate` prints it. */
export interface CertificateSummary {
  /** Lower-case hex. */
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
}

interface AuthoritySources {
  readonly world: { readonly authority: Authority };
  readonly rotation: RotationKeeper;
}

/** The authority for people. Keys are not in it. */
function describeAuthority({ trustDomain, rootsPem, signingPem, problems }: Authority): {
  readonly trustDomain: string;
  readonly roots: readonly CertificateSummary[];
  readonly signing: readonly CertificateSummary[];
  readonly problems: readonly string[];
} {
  return { trustDomain, roots: splitBundle(rootsPem).map(summary), signing: signingPem.map(summary), problems };
}

/** The authority and how far its rotation has come. */
export const authorityPage = ({ world, rotation }: AuthoritySources): object => ({
  ...describeAuthority(world.authority),
  rotation: rotation.status(),
});

/** Somebody else may write to the store at the same time. */
const TRIES = 3;

/** Begins a rotation or rolls it back. @returns the page as it is then, or why it cannot be */
export async function stepAuthority(what: "rotate" | "rollback", from: AuthoritySources): Promise<Reply> {
  for (let left = TRIES - 1; ; left -= 1) {
    const done = await from.world.authority.step(what);
    if (done.ok) return jsonReply(authorityPage(from));
    const { code, message } = done.error;
    if (code !== Code.Unavailable || left === 0) return { status: httpStatus[code], body: `${message}\n` };
  }
}

function summary(pem: string): CertificateSummary {
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
