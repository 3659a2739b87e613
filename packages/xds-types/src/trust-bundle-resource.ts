import type { Result } from "@lateen/errors";
import { checkResourceSize } from "./resource-bytes.ts";
import { decodeWith, encodeWith } from "./wire/codec.ts";

/** `ca_certificates_pem` of `istio.mesh.v1alpha1.ProxyConfig`: field 34, bytes of a length. It is all that we read of the message. */
const CA_CERTIFICATES_PEM = (34 << 3) | 2;

/**
 * The roots of a bundle as PEM texts, in their order; each may hold several certificates, which are not looked at here.
 * @returns BAD_INPUT for bytes that are no such resource
 */
export function decodeTrustBundle(bytes: Uint8Array): Result<readonly string[]> {
  const sized = checkResourceSize(bytes);
  if (!sized.ok) return sized;
  return decodeWith(
    "istio.mesh.v1alpha1.ProxyConfig",
    (r) => {
      const roots: string[] = [];
      for (let tag = r.tag(); tag !== 0; tag = r.tag())
        if (tag === CA_CERTIFICATES_PEM) roots.push(r.string());
        else r.skip(tag);
      return roots;
    },
    sized.value,
  );
}

/** @param rootsPem one certificate each; that of what signs first */
export function encodeTrustBundle(rootsPem: readonly string[]): Uint8Array {
  return encodeWith((w, roots: readonly string[]) => {
    for (const root of roots) w.string(CA_CERTIFICATES_PEM, root);
  }, rootsPem);
}
