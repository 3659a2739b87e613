import { ServerCredentials } from "@grpc/grpc-js";

/** PEM of what the gRPC server shows and trusts. */
export interface ServerTls {
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: string;
}

/**
 * TLS that asks for a client certificate and does not insist on one: a caller without a certificate of our root must bring a
 * token, which the handlers demand. grpc-js itself knows only "demand" and "do not ask".
 */
export class OptionalClientCertificate extends ServerCredentials {
  constructor(tls: ServerTls) {
    super({ requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.2" }, contextOptions(tls));
  }

  /** New handshakes use these from now on. */
  replace(tls: ServerTls): void {
    this.updateSecureContextOptions(contextOptions(tls));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

const contextOptions = (tls: ServerTls): { key: string; cert: string; ca: string } => ({
  key: tls.keyPem,
  cert: tls.chainPem,
  ca: tls.rootsPem,
});
