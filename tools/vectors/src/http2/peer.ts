import { type ByteStream, ManualLoop, type StreamHandler, memoryPair } from "@lateen/byte-stream";
import { hboneClient, hboneServer } from "@lateen/hbone";
import {
  type Field,
  Flag,
  type Frame,
  NO_FLAGS,
  Setting,
  Type,
  ascii,
  frame,
  headerBlock,
  join,
  readFrames,
  readSettings,
  settings,
  settingsAck,
} from "./frames.ts";

export const PREFACE = ascii("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** What the application behind the server answers on every tunnel. */
const BODY = ascii("hello");

/**
 * What the case's request is. The suite asks for a page; an HBONE endpoint gives none: it answers 400 to whatever is not a CONNECT
 * (`page`), and gives a CONNECT (`tunnel`) to an application, which sends a body and ends when its client has ended. Where a case
 * is about the body of the answer, or about streams that stay open, only a tunnel can show it; where it is about fields that
 * CONNECT does not have, only a page can; every other case must hold for both.
 */
export type RequestKind = "page" | "tunnel";

const PAGE: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "127.0.0.1:80"],
];
const TUNNEL: readonly Field[] = [
  [":method", "CONNECT"],
  [":authority", "127.0.0.1:80"],
];
const RESPONSE: readonly Field[] = [
  [":status", "200"],
  ["access-control-allow-origin", "*"],
];

/** Ends its direction when the other side has ended its own. */
class Application implements StreamHandler {
  readonly #stream: ByteStream;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  onData(): void {
    // reads and forgets
  }

  onEnd(): void {
    this.#stream.end();
  }

  onWritable(): void {}

  onClose(): void {}
}

/** What the endpoint did, in order. */
export type Seen = { readonly t: "frame"; readonly frame: Frame } | { readonly t: "closed" };

/** The other end of the product's public server or client, over memory: sends frames of its own making and writes down answers. */
export class Peer implements StreamHandler {
  readonly endpoint: "server" | "client";
  readonly kind: RequestKind;
  /** The stream of the request. */
  readonly id = 1;
  readonly #loop = new ManualLoop();
  readonly #carrier: ByteStream;
  readonly #received: Uint8Array[] = [];
  #closed = false;
  /** How much the endpoint had done when the case began. */
  #before = 0;

  constructor(endpoint: "server" | "client", kind: RequestKind) {
    this.endpoint = endpoint;
    this.kind = kind;
    const [near, far] = memoryPair({ defer: this.#loop.defer });
    this.#carrier = near;
    near.attach(this);
    const options = { trust: "stranger", nowMs: 0, defer: this.#loop.defer } as const;
    if (endpoint === "server") {
      hboneServer(far, options, (request) => {
        const stream = request.accept([]);
        stream.attach(new Application(stream));
        stream.write(BODY);
      });
    } else {
      hboneClient(far, options).connect({ authority: "127.0.0.1:80", headers: [] }, (opened) => {
        if (!opened.ok) return;
        opened.value.attach(new Application(opened.value));
        opened.value.end(); // as a request without a body: the answer alone keeps the stream open
      });
    }
    this.#loop.run();
  }

  send(...parts: readonly Uint8Array[]): void {
    this.#carrier.write(join(...parts));
    this.#loop.run();
  }

  /** Begins HTTP/2. The acknowledgement of the endpoint's SETTINGS may be held back: until then the defaults hold for us. */
  begin(...values: readonly (readonly [id: number, value: number])[]): void {
    this.send(this.endpoint === "server" ? PREFACE : new Uint8Array(0), settings(...values));
  }

  shakeHands(): void {
    this.begin();
    this.send(settingsAck());
    this.#before = this.#all().length;
  }

  /** What the endpoint announced. */
  setting(id: number, byDefault: number): number {
    const first = this.#all().find((s) => s.t === "frame" && s.frame.type === Type.Settings);
    return (first?.t === "frame" ? readSettings(first.frame.payload).get(id) : undefined) ?? byDefault;
  }

  get maxFrame(): number {
    return this.setting(Setting.MaxFrameSize, 16_384);
  }

  /** The fields of the case's request, or of the answer to the client's. */
  get fields(): readonly Field[] {
    if (this.endpoint === "client") return RESPONSE;
    return this.kind === "page" ? PAGE : TUNNEL;
  }

  /** The same with another method, when it is a page that is asked for. */
  asMethod(method: string): readonly Field[] {
    return this.fields.map((f) => (f[0] === ":method" && this.kind === "page" ? [":method", method] : f));
  }

  /** Sends the message's HEADERS, whole. */
  headers(how: { readonly end: boolean; readonly fields?: readonly Field[]; readonly id?: number }): void {
    const flags = Flag.EndHeaders | (how.end ? Flag.EndStream : NO_FLAGS);
    this.send(frame(Type.Headers, flags, how.id ?? this.id, headerBlock(how.fields ?? this.fields)));
  }

  /** What the endpoint did since the handshake. */
  get seen(): readonly Seen[] {
    return this.#all().slice(this.#before);
  }

  #all(): readonly Seen[] {
    const bytes = join(...this.#received);
    const start = this.endpoint === "client" ? PREFACE.length : 0;
    const frames = readFrames(bytes.subarray(start)).map((f) => ({ t: "frame", frame: f }) as const);
    return this.#closed ? [...frames, { t: "closed" }] : frames;
  }

  onData(bytes: Uint8Array): void {
    this.#received.push(bytes.slice());
  }

  onEnd(): void {
    this.#close();
  }

  onWritable(): void {}

  onClose(): void {
    this.#close();
  }

  #close(): void {
    this.#closed = true;
  }
}
