import { Buffer } from "node:buffer";
import type { Credentials } from "@lateen/datapath";
import type { MeshError } from "@lateen/errors";
import { Memory } from "@lateen/linux";
import { Opened, OutputBlock, TlsRecords, outputBytes } from "@lateen/tls-records";
import { recordPorts } from "./record-ports.ts";
import type { TlsEngine } from "./tls-engine.ts";
import type { HandshakeOptions, HandshakeStep, TlsHandshake } from "./tls-handshake.ts";

export interface EndOptions {
  readonly role: "client" | "server";
  readonly credentials: Credentials;
  readonly alpn?: string;
  readonly verifyPeer?: HandshakeOptions["verifyPeer"];
  readonly resumeKey?: string;
}

/** One end of a connection as a driver runs it, over whatever carries its bytes. */
export class SecureEnd {
  readonly #send: (bytes: Uint8Array) => void;
  #handshake: TlsHandshake | null;
  records: TlsRecords<Memory> | null = null;
  readonly #input = new Memory(4 * 65_536);
  readonly #output = new OutputBlock(new Memory(outputBytes(4)));
  received: Buffer[] = [];
  ended = false;
  /** Why the handshake failed. */
  error: MeshError | null = null;
  /** How the records failed. */
  failure: { readonly alert: number; readonly why: string } | null = null;
  peerChainDer: readonly Uint8Array[] = [];
  /** Null until the handshake is done. */
  resumed: boolean | null = null;
  /** After each `receive`. */
  onChange: () => void = () => {};

  constructor(engine: TlsEngine, o: EndOptions, send: (bytes: Uint8Array) => void) {
    this.#send = send;
    const { role, credentials, alpn = "h2", verifyPeer = () => null, resumeKey } = o;
    const key = resumeKey === undefined ? {} : { resumeKey };
    this.#handshake = engine.handshake({ role, credentials, alpn, verifyPeer, ...key });
    if (role === "client") this.#took(this.#handshake.step(null));
  }

  get text(): string {
    return Buffer.concat(this.received).toString("latin1");
  }

  receive(bytes: Uint8Array): void {
    if (this.#handshake !== null) this.#took(this.#handshake.step(bytes));
    else for (let at = 0; at < bytes.length; at += 65_536) this.#open(bytes.subarray(at, at + 65_536));
    this.onChange();
  }

  write(bytes: Uint8Array): void {
    const records = this.#live();
    for (let at = 0; at < bytes.length || at === 0;) {
      at = records.sealer.write(this.#output, bytes, at);
      this.#flush();
      if (bytes.length === 0) break;
    }
  }

  end(): void {
    this.#live().sealer.end(this.#output);
    this.#flush();
  }

  alert(description: number): void {
    this.#live().sealer.alert(this.#output, description);
    this.#flush();
  }

  /** Goes on as another process would: with nothing but the state. */
  move(): void {
    const records = this.#live();
    const moved = TlsRecords.restore(recordPorts, structuredClone(records.state()));
    records.free();
    if (!moved.ok) throw moved.error;
    this.records = moved.value;
  }

  /** The peer went away. */
  lost(): void {
    this.#handshake?.lost();
  }

  free(): void {
    this.#handshake?.free();
    this.records?.free();
  }

  #live(): TlsRecords<Memory> {
    if (this.records === null) throw this.error ?? new Error("the handshake is not done");
    return this.records;
  }

  #took(step: HandshakeStep): void {
    if (step.send.length > 0) this.#send(step.send);
    if (step.t === "more") return;
    this.#handshake = null;
    if (step.t === "failed") {
      this.error = step.error;
      return;
    }
    this.records = step.records;
    this.peerChainDer = step.peerChainDer;
    this.resumed = step.resumed;
    this.#open(new Uint8Array(0));
  }

  #open(bytes: Uint8Array): void {
    const { records } = this;
    if (records === null) return;
    const { bytes: memory } = this.#input;
    const kept = records.recall(this.#input);
    memory.set(bytes, kept);
    const end = kept + bytes.length;
    for (let at = 0; ; at = records.opener.at) {
      const kind = records.opener.open(this.#input, at, end);
      if (kind === Opened.Data) {
        this.received.push(Buffer.from(memory.subarray(records.opener.from, records.opener.to)));
        continue;
      }
      if (kind === Opened.Need) records.keep(this.#input, records.opener.at, end);
      if (kind === Opened.End) this.ended = true;
      if (kind === Opened.Failed) this.#fail(records);
      break;
    }
    this.#flush();
  }

  #fail(records: TlsRecords<Memory>): void {
    const { alert, why } = records.opener;
    this.failure = { alert, why };
    if (alert >= 0) records.sealer.alert(this.#output, alert);
  }

  #flush(): void {
    const { records } = this;
    records?.sealer.flush(this.#output);
    if (this.#output.used > 0) this.#send(Uint8Array.from(this.#output.memory.bytes.subarray(0, this.#output.used)));
    this.#output.clear();
  }
}
