import type { SecureOptions } from "@lateen/datapath";
import { Code, MeshError } from "@lateen/errors";
import { Memory, type TlsConnection } from "@lateen/linux";
import { Alert, OutputBlock, TlsRecords, outputBytes } from "@lateen/tls-records";
import { recordPorts } from "./record-ports.ts";

export type HandshakeOptions = Pick<SecureOptions, "role" | "credentials" | "alpn" | "verifyPeer">;

/** What a step came to. `send` goes to the peer in any case, after a failure too: it holds the alert. */
export type HandshakeStep =
  | { readonly t: "more"; readonly send: Uint8Array }
  | {
      readonly t: "done";
      readonly send: Uint8Array;
      /** Goes on from here; keeps what came behind the handshake (`recall` it before more is received). Free it. */
      readonly records: TlsRecords<Memory>;
      /** Leaf first. */
      readonly peerChainDer: readonly Uint8Array[];
    }
  | { readonly t: "failed"; readonly send: Uint8Array; readonly error: MeshError };

const NOTHING = new Uint8Array(0);
/** More than any handshake has, before it is done. */
const MAX_BYTES = 131_072;

/**
 * One TLS 1.3 handshake as a machine: received bytes in, bytes to send out, at its end the records that take over. The peer's
 * certificates are judged inside it, so a refused peer learns why and never sees it succeed at a client.
 */
export class TlsHandshake {
  readonly #connection: TlsConnection;
  readonly #tickets: number;
  readonly #alpn: string;
  #received = 0;

  constructor(connection: TlsConnection, alpn: string, tickets: number) {
    this.#connection = connection;
    this.#alpn = alpn;
    this.#tickets = tickets;
  }

  /**
   * A client's first step has no input.
   * @param input may be reused afterwards
   */
  step(input: Uint8Array | null): HandshakeStep {
    const connection = this.#connection;
    this.#received += input?.length ?? 0;
    const outcome = connection.step(input);
    const send = connection.output();
    if (outcome === "done") return this.#takeOver(send);
    if (outcome === "more" && this.#received <= MAX_BYTES) return { t: "more", send };
    const error = outcome === "failed" ? this.#failure() : handshakeError(`more than ${MAX_BYTES} bytes`);
    this.free();
    return { t: "failed", send, error };
  }

  /** Lets go of OpenSSL's objects; `done` and `failed` have done so. Idempotent. */
  free(): void {
    this.#connection.free();
  }

  #takeOver(send: Uint8Array): HandshakeStep {
    const connection = this.#connection;
    const { role, clientSecret, serverSecret, peerChainDer } = connection;
    try {
      // However OpenSSL came here: without a verdict nobody has looked at the peer.
      if (!connection.accepted) return { t: "failed", send: NOTHING, error: handshakeError("peer was not judged") };
      const [mine, theirs] = role === "client" ? [clientSecret, serverSecret] : [serverSecret, clientSecret];
      const records = TlsRecords.takeOver(recordPorts, {
        role,
        suite: connection.suite(),
        read: { secret: theirs, sequence: 0 },
        write: { secret: mine, sequence: role === "server" ? this.#tickets : 0 },
        kept: connection.leftover(),
      });
      if (connection.alpn() === this.#alpn) return { t: "done", send, records, peerChainDer };
      const error = handshakeError(`peer did not agree to protocol "${this.#alpn}"`, Code.Denied);
      return { t: "failed", send: withAlert(send, records, Alert.NoApplicationProtocol), error };
    } finally {
      this.free();
    }
  }

  #failure(): MeshError {
    const { refusal, thrown, why } = this.#connection;
    if (thrown !== null) return handshakeError("the peer could not be judged", Code.Bug, thrown);
    return refusal === null ? handshakeError(why) : handshakeError(refusal.why, Code.Denied);
  }
}

/** The last flight and an alert behind it. */
function withAlert(send: Uint8Array, records: TlsRecords<Memory>, alert: number): Uint8Array {
  const block = new OutputBlock(new Memory(outputBytes(1)));
  records.sealer.alert(block, alert);
  records.free();
  const both = new Uint8Array(send.length + block.used);
  both.set(send);
  both.set(block.memory.bytes.subarray(0, block.used), send.length);
  return both;
}

/** The same words for every driver. */
export function handshakeError(why: string, code: Code = Code.Unavailable, cause?: unknown): MeshError {
  return new MeshError(code, `tls handshake error: ${why}`, {}, cause);
}
