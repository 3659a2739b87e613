import type { SecureOptions } from "@lateen/datapath";
import { Code, MeshError } from "@lateen/errors";
import { Memory, type TlsConnection } from "@lateen/linux";
import { Alert, HEADER_BYTES, OutputBlock, TlsRecords, outputBytes } from "@lateen/tls-records";
import { recordPorts } from "./record-ports.ts";

export type HandshakeOptions = Pick<SecureOptions, "role" | "credentials" | "alpn" | "verifyPeer" | "resumeKey">;

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
      /** A session was resumed: the chain was shown in an earlier handshake, and judged again in this one. */
      readonly resumed: boolean;
    }
  | { readonly t: "failed"; readonly send: Uint8Array; readonly error: MeshError };

/** What becomes of a handshake beyond itself. */
export interface Aftermath {
  /** It is done. @returns whether the connection is somebody else's to free from here on */
  readonly done: (records: TlsRecords<Memory>) => boolean;
  /** It ended in another way, and no verdict on the peer is why. */
  readonly failed: () => void;
}

const NO_AFTERMATH: Aftermath = { done: () => false, failed: () => undefined };
const NOTHING = new Uint8Array(0);
/** More than any handshake has, before it is done. */
const MAX_BYTES = 131_072;

/**
 * One TLS 1.3 handshake as a machine: received bytes in, bytes to send out, at its end the records that take over. The peer's
 * certificates are judged inside it, so a refused peer learns why and never sees it succeed at a client.
 */
export class TlsHandshake {
  readonly #connection: TlsConnection;
  readonly #alpn: string;
  readonly #aftermath: Aftermath;
  #received = 0;
  /** OpenSSL's objects are somebody else's to free. */
  #kept = false;
  #over = false;

  constructor(connection: TlsConnection, alpn: string, aftermath: Aftermath = NO_AFTERMATH) {
    this.#connection = connection;
    this.#alpn = alpn;
    this.#aftermath = aftermath;
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
    this.#failed();
    const error = outcome === "failed" ? this.#failure() : handshakeError(`more than ${MAX_BYTES} bytes`);
    this.free();
    return { t: "failed", send, error };
  }

  /** Instead of `free` when the peer went away or fell silent, which may be for what was offered to it. Idempotent. */
  lost(): void {
    this.#failed();
    this.free();
  }

  /** Lets go of OpenSSL's objects; `done` and `failed` have done so. Idempotent. */
  free(): void {
    this.#over = true;
    if (!this.#kept) this.#connection.free();
  }

  #takeOver(send: Uint8Array): HandshakeStep {
    const connection = this.#connection;
    const { role, clientSecret, serverSecret, peerChainDer, resumed } = connection;
    try {
      // However OpenSSL came here: without a verdict nobody has looked at the peer.
      if (!connection.accepted) return { t: "failed", send: NOTHING, error: handshakeError("peer was not judged") };
      const [mine, theirs] = role === "client" ? [clientSecret, serverSecret] : [serverSecret, clientSecret];
      const records = TlsRecords.takeOver(recordPorts, {
        role,
        suite: connection.suite(),
        read: { secret: theirs, sequence: 0 },
        // A server has sealed its tickets under these keys, and nothing else goes with them.
        write: { secret: mine, sequence: role === "server" ? countRecords(send) : 0 },
        kept: connection.leftover(),
      });
      if (connection.alpn() === this.#alpn) {
        this.#kept = this.#aftermath.done(records);
        return { t: "done", send, records, peerChainDer, resumed };
      }
      const error = handshakeError(`peer did not agree to protocol "${this.#alpn}"`, Code.Denied);
      return { t: "failed", send: withAlert(send, records, Alert.NoApplicationProtocol), error };
    } finally {
      this.free();
    }
  }

  /** `free` must follow. */
  #failed(): void {
    const { refusal, thrown } = this.#connection;
    if (!this.#over && refusal === null && thrown === null) this.#aftermath.failed();
  }

  #failure(): MeshError {
    const { refusal, thrown, why } = this.#connection;
    if (thrown !== null) return handshakeError("the peer could not be judged", Code.Bug, thrown);
    return refusal === null ? handshakeError(why) : handshakeError(refusal.why, Code.Denied);
  }
}

/** Records in bytes that hold nothing but whole ones. */
function countRecords(bytes: Uint8Array): number {
  let count = 0;
  for (let at = 0; at + HEADER_BYTES <= bytes.length; count++)
    at += HEADER_BYTES + ((bytes[at + 3]! << 8) | bytes[at + 4]!); // the header is there
  return count;
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
