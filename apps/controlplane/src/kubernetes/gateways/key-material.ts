import { Buffer } from "node:buffer";
import { X509Certificate, createPrivateKey } from "node:crypto";
import type { Material } from "@lateen/gateway-status";

/** What a Secret is worth as a certificate, and as roots; nothing of it is kept. */
export interface KeyMaterial {
  readonly certificate: Material;
  readonly roots: Material;
}

interface RawSecret {
  readonly data?: Readonly<Record<string, string>>;
}

const bad = (why: string): Material => ({ t: "bad", why });
const GOOD: Material = { t: "good" };

/** A Secret as the API server gives it: base64. @see control-plane 6 and Kubernetes, `kubernetes.io/tls` */
export function secretMaterial(raw: unknown): KeyMaterial {
  const { data = {} } = raw as RawSecret;
  const text = (...names: readonly string[]): string | undefined => {
    const name = names.find((n) => data[n] !== undefined);
    return name === undefined ? undefined : Buffer.from(data[name] ?? "", "base64").toString("utf8");
  };
  return {
    certificate: pairMaterial(text("tls.crt", "cert"), text("tls.key", "key")),
    roots: rootsMaterial(text("ca.crt", "cacert")),
  };
}

/** Roots in a ConfigMap. */
export function mapRoots(raw: unknown): Material {
  return rootsMaterial((raw as RawSecret).data?.["ca.crt"]);
}

function pairMaterial(certificate: string | undefined, key: string | undefined): Material {
  if (certificate === undefined || key === undefined) return bad("it holds no certificate with its key");
  try {
    const matches = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
    return matches ? GOOD : bad("the key is not that of the certificate");
  } catch {
    return bad("its certificate or key cannot be read"); // what exactly would be said of a secret
  }
}

const BEGIN = "-----BEGIN CERTIFICATE-----";

function rootsMaterial(pem: string | undefined): Material {
  if (pem === undefined) return bad("it holds no ca.crt");
  const parts = pem.split(BEGIN).slice(1, 100);
  try {
    for (const part of parts) void new X509Certificate(BEGIN + part);
  } catch {
    return bad("its ca.crt cannot be read");
  }
  return parts.length === 0 ? bad("its ca.crt holds no certificate") : GOOD;
}
