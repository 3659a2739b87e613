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
  #current: ServerTls;
  readonly #listeners = new Set<(tls: ServerTls) => void>();

  constructor(tls: ServerTls) {
    super({ requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.2" }, contextOptions(tls));
    this.#current = tls;
  }

  get current(): ServerTls {
    return this.#current;
  }

  /** New handshakes use these from now on. */
  replace(tls: ServerTls): void {
    this.#current = tls;
    this.updateSecureContextOptions(contextOptions(tls));
    for (const listener of this.#listeners) listener(tls);
  }

  /** For another server that shows the same certificate. */
  onReplace(listener: (tls: ServerTls) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
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
