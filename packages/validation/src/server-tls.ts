import type { ServerTls } from "@lateen/resources";
import { type Findings, quoted } from "./findings.ts";
import type { Release } from "./object-context.ts";

const CIPHERS: ReadonlySet<string> = new Set([
  ...["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"],
  ...["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"],
  ...["ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"],
  ...["AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA", "ALL", ""],
]);
const isSet = (text: string | undefined): boolean => text !== undefined && text !== "";

/** TLS of a server of a gateway, or of a listener of a Sidecar. */
export function checkServerTls(tls: ServerTls | undefined, f: Findings, o: { readonly release: Release }): void {
  if (tls === undefined) return;
  checkCiphers(tls, f);
  const mode = tls.mode ?? "PASSTHROUGH";
  const sources = certificateSources(tls);
  if (mode === "ISTIO_MUTUAL") {
    for (const field of [...FILES, ...NAMED] as const)
      if (tls[field] !== undefined && tls[field].length > 0)
        f.at(field).error("cannot be set with ISTIO_MUTUAL, which uses the certificates of the mesh");
    return;
  }
  if (mode === "PASSTHROUGH" || mode === "AUTO_PASSTHROUGH") {
    if (usesCertificates(tls)) f.warn(`${mode} does not end TLS: its certificates are not used`);
  }
  if (sources > 1 && o.release !== "1.21")
    f.error("only one of credentialName, credentialNames, tlsCertificates and serverCertificate can be set");
  const byName = isSet(tls.credentialName) || (tls.credentialNames ?? []).length > 0;
  const ends = mode === "SIMPLE" || mode === "MUTUAL" || mode === "OPTIONAL_MUTUAL";
  if (ends && byName) return; // the rest is in the credential
  if (ends) checkCertificates(tls, f, mode);
  if (!isSet(tls.caCrl)) return;
  if (isSet(tls.credentialName)) f.at("caCrl").error("belongs into the credential");
  if (mode === "SIMPLE") f.at("caCrl").error("is of no use with SIMPLE, which asks for no certificate");
}

const FILES = ["serverCertificate", "privateKey", "caCertificates"] as const;
const NAMED = ["tlsCertificates", "credentialName", "credentialNames"] as const;

function certificateSources(tls: ServerTls): number {
  const files = isSet(tls.serverCertificate) && isSet(tls.privateKey);
  const lists = [tls.credentialNames, tls.tlsCertificates].filter((list) => (list ?? []).length > 0);
  return [files, isSet(tls.credentialName)].filter(Boolean).length + lists.length;
}

function usesCertificates(tls: ServerTls): boolean {
  const set = [...FILES, ...NAMED, "caCrl"] as const;
  return set.some((field) => tls[field] !== undefined && tls[field].length > 0);
}

function checkCertificates(tls: ServerTls, f: Findings, mode: string): void {
  if (mode !== "SIMPLE") f.at("caCertificates").require(isSet(tls.caCertificates), `is missing, which ${mode} needs`);
  const several = (tls.tlsCertificates ?? []).length > 0;
  if ((tls.tlsCertificates ?? []).length > 2) f.at("tlsCertificates").warn("only the first two have an effect");
  const certificates = several ? (tls.tlsCertificates ?? []) : [tls];
  for (const [i, certificate] of certificates.entries()) {
    const at = several ? f.at("tlsCertificates", i) : f;
    for (const field of ["serverCertificate", "privateKey"] as const)
      at.at(field).require(isSet(certificate[field]), `is missing, which ${mode} needs`);
  }
}

function checkCiphers({ minProtocolVersion: oldest, cipherSuites = [] }: ServerTls, f: Findings): void {
  if ((oldest === "TLSV1_0" || oldest === "TLSV1_1") && cipherSuites.length === 0)
    f.at("minProtocolVersion").warn("needs cipherSuites too: those of default begin with TLS 1.2");
  const seen = new Set<string>();
  for (const [i, suite] of cipherSuites.entries()) {
    const at = f.at("cipherSuites", i);
    // What begins with a sign is an expression of the library's own.
    if (!CIPHERS.has(suite) && /^[\p{L}\p{N}]/u.test(suite))
      at.warn(`${quoted(suite)} is no cipher suite and is not used`);
    else if (seen.has(suite)) at.warn(`${quoted(suite)} stands twice`);
    seen.add(suite);
  }
}
