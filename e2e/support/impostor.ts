import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import tls from "node:tls";
import { CA_FILES } from "@lateen/ca";
import {
  type Issuer,
  createSigner,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  issueCertificate,
  issueRoot,
  parseCertificates,
} from "@lateen/certificates";
import type { MeshHome } from "./test-mesh.ts";
import type { TestPod } from "./test-pod.ts";

const DEADLINE_MS = 15_000;
const HOUR_MS = 3_600_000;
const HBONE_PORT = 15_008;

/** The authority of a mesh itself: what it signs is as good as what the mesh's own CA signs. */
export async function meshIssuer(home: MeshHome): Promise<Issuer> {
  const read = (name: string): string => readFileSync(path.join(home.folders.controlPlane, "ca", name), "utf8");
  const keys = await importPrivateKey(webcrypto, read(CA_FILES.key));
  const certificates = parseCertificates(read(CA_FILES.certificate));
  if (!keys.ok) throw keys.error;
  if (!certificates.ok) throw certificates.error;
  const [certificate] = certificates.value;
  if (certificate === undefined) throw new Error("The authority has no certificate");
  return { certificate, signer: await createSigner(webcrypto, keys.value) };
}

/** An authority that the mesh does not know, of the same name. */
export async function foreignIssuer(): Promise<Issuer> {
  const signer = await createSigner(webcrypto, await generateKeyPair(webcrypto));
  const certificate = await issueRoot(webcrypto, {
    signer,
    organization: "cluster.local",
    nowMs: Date.now(),
    ttlSec: 3_600,
  });
  return { certificate, signer };
}

/** A key and a certificate, PEM. */
export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

/** Credentials with these names, valid for the hour before `untilMs`. */
export async function credentials(
  issuer: Issuer,
  uris: readonly string[],
  untilMs = Date.now() + HOUR_MS / 2,
): Promise<Credentials> {
  const keys = await generateKeyPair(webcrypto);
  const { publicKey } = await createSigner(webcrypto, keys);
  const certificate = await issueCertificate(webcrypto, {
    issuer,
    publicKey,
    sans: uris.map((value) => ({ t: "uri", value })),
    notBeforeMs: untilMs - HOUR_MS,
    notAfterMs: untilMs,
    keyUsages: ["digitalSignature"],
  });
  return { key: await exportPrivateKey(webcrypto, keys), cert: encodePem("CERTIFICATE", certificate.der) };
}

/**
 * Asks a pod's own HBONE port for a tunnel, as whoever has these credentials, from the network of a pod outside the mesh; with
 * the HTTP/2 of Node, not with ours.
 * @returns the status of the answer, or "no tunnel" when there is no answer to be had
 */
export async function askForTunnel(
  from: TestPod,
  to: TestPod,
  o: { readonly credentials: Credentials | null; readonly authority: string },
): Promise<number | "no tunnel"> {
  const socket = await from.connected(to.ip, HBONE_PORT);
  const secure = tls.connect({ socket, rejectUnauthorized: false, ALPNProtocols: ["h2"], ...o.credentials });
  const session = http2.connect("https://peer.invalid", { createConnection: () => secure });
  try {
    return await new Promise((resolve, reject) => {
      const none = (): void => resolve("no tunnel");
      for (const part of [secure, session]) part.on("error", none).on("end", none).on("close", none);
      const request = session.request({ ":method": "CONNECT", ":authority": o.authority });
      request.on("response", (headers) => resolve(headers[":status"] ?? 0)).on("error", none);
      request.setTimeout(DEADLINE_MS, () => reject(new Error("The pod neither answered nor refused")));
    });
  } finally {
    session.destroy();
    secure.destroy();
    socket.destroy();
  }
}
