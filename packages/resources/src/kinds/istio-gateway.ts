import { z } from "zod";
import { keyword, onlyOneOf } from "../crd/rule.ts";
import { flag, maybe, uint32, word, wordMap, words } from "../istio-fields.ts";
import { list, text } from "../metadata.ts";

const version = z.enum(["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]).optional();
const certificate = z.strictObject({ serverCertificate: word, privateKey: word, caCertificates: word });
/** What is too many for the API server is a warning of ours. */
const certificates = keyword(list(certificate).min(1), { schema: { maxItems: 2 }, message: "", holds: () => true });
const tlsFields = z.strictObject({
  httpsRedirect: flag,
  mode: z.enum(["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"]).optional(),
  serverCertificate: word,
  privateKey: word,
  caCertificates: word,
  caCrl: word,
  tlsCertificates: certificates.optional(),
  credentialName: word,
  credentialNames: z.array(text).min(1).max(2).optional(),
  caCertCredentialName: word,
  subjectAltNames: words,
  verifyCertificateSpki: words,
  verifyCertificateHash: words,
  minProtocolVersion: version,
  maxProtocolVersion: version,
  cipherSuites: words,
  insecureSkipVerify: maybe(z.boolean()),
});
const only = (a: string, b: string): string => `only one of ${a} or ${b} can be set`;
/** Of a server of a gateway, and of a listener of a Sidecar. */
export const serverTls = onlyOneOf(
  onlyOneOf(tlsFields, ["tlsCertificates", "credentialNames"], only("credentialNames", "tlsCertificates")),
  ["credentialName", "credentialNames"],
  only("credentialName", "credentialNames"),
);
export type ServerTls = z.output<typeof serverTls>;

const server = z.strictObject({
  port: z.strictObject({ number: uint32, protocol: text, name: text, targetPort: uint32.optional() }),
  bind: word,
  hosts: list(text),
  tls: serverTls.optional(),
  defaultEndpoint: word,
  name: word,
});
export type GatewayServer = z.output<typeof server>;

/** Istio's own kind, which selects gateway pods; not the one of the Gateway API. */
export const istioGatewaySpec = z.strictObject({ servers: list(server).optional(), selector: wordMap });
export type IstioGatewaySpec = z.output<typeof istioGatewaySpec>;
