import { X509Certificate, constants } from "node:crypto";
import { type SecureContext, createSecureContext } from "node:tls";
import { Code, MeshError } from "@lateen/errors";
import { errorText } from "./close-reason.ts";
import type { Credentials, CredentialsOptions } from "./port.ts";

const SUITES = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";

class NodeCredentials implements Credentials {
  readonly opaque: SecureContext;

  constructor(context: SecureContext) {
    this.opaque = context;
  }
}

/**
 * Key, chain and roots as one OpenSSL context, shared by all handshakes with them.
 * @throws MeshError BAD_INPUT when one cannot be read or key and leaf do not belong together
 */
export function nodeCredentials(o: CredentialsOptions): Credentials {
  if (o.rootsPem.length === 0) throw new MeshError(Code.BadInput, "Cannot use credentials: no trust anchors given");
  if (o.chainPem === "" || o.keyPem === "")
    throw new MeshError(Code.BadInput, "Cannot use credentials: no certificate or key given");
  try {
    for (const root of o.rootsPem) new X509Certificate(root); // node:tls would pass over one that it cannot read
    return new NodeCredentials(
      createSecureContext({
        key: o.keyPem,
        cert: o.chainPem,
        ca: [...o.rootsPem],
        minVersion: "TLSv1.3",
        maxVersion: "TLSv1.3",
        ciphers: SUITES,
        // With it a ticket names a session that nobody keeps; without it OpenSSL fails the handshake of whoever comes back with one.
        secureOptions: constants.SSL_OP_NO_TICKET,
      }),
    );
  } catch (error) {
    throw new MeshError(Code.BadInput, `Cannot use credentials: ${errorText(error)}`, {}, error);
  }
}

/** @throws MeshError BUG when the credentials were made by another data path */
export function secureContextOf(credentials: Credentials): SecureContext {
  if (credentials instanceof NodeCredentials) return credentials.opaque;
  throw new MeshError(Code.Bug, "Cannot use credentials: they were made by another data path");
}
