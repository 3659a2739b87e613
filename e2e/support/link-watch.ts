import { Buffer } from "node:buffer";
import { type Capture, openCapture, openNetns } from "@lateen/linux";
import { FABRIC_LINK } from "@lateen/local-mesh";
import { type Flow, decodePacket, describeFlow } from "./packets.ts";
import { TlsWalk } from "./tls-walk.ts";

const HBONE_PORT = 15_008;
const DISCOVERY_PORT = 15_012;
/** A whole packet of the largest size that the kernel hands over a veth link, with its Ethernet header. */
const SNAP_BYTES = 65_536 + 64;
const MAX_WAITING = 1_000_000;
/** Taken this often, so that a busy link does not fill the memory of the test. */
const TAKE_MS = 20;
const MAX_VIOLATIONS = 20;

/** What went over the link between nodes. */
export interface LinkReport {
  /** TCP payloads on port 15008, and the TLS records of those connections that were seen from their beginning. */
  readonly hbone: number;
  readonly tlsRecords: number;
  /** Packets that should not have been there: of pods outside HBONE, not TLS inside it, or holding a marker. */
  readonly violations: readonly string[];
  /** Packets that this capture lost: with one, it proves nothing. */
  readonly lost: number;
}

export interface LinkWatchOptions {
  /** Texts that must be in no packet. */
  readonly markers?: readonly string[];
  /** `violations`: HBONE is left out by the kernel, so nothing is lost however busy the link is. */
  readonly sees: "everything" | "violations";
}

const isPod = (ip: string): boolean => /^(?:10\.244\.|fd00:0244:)/.test(ip);

/** Watches the link by which a node reaches the others, from now on. */
export class LinkWatch implements Disposable {
  readonly #capture: Capture;
  readonly #markers: readonly Buffer[];
  readonly #walks = new Map<string, TlsWalk>();
  readonly #violations: string[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  #hbone = 0;
  #tlsRecords = 0;

  /** @param netns path of the node's network namespace */
  constructor(netns: string, o: LinkWatchOptions) {
    using node = openNetns(netns);
    this.#capture = openCapture({
      netns: node.fd,
      interfaceName: FABRIC_LINK,
      snapBytes: SNAP_BYTES,
      maxWaiting: MAX_WAITING,
      ...(o.sees === "violations" ? { exceptTcpPort: HBONE_PORT } : {}),
    });
    this.#markers = (o.markers ?? []).map((m) => Buffer.from(m));
    this.#timer = setInterval(() => this.#take(), TAKE_MS);
  }

  /** All since the beginning. */
  report(): LinkReport {
    this.#take();
    const { dropped, droppedByKernel } = this.#capture.counters;
    return {
      hbone: this.#hbone,
      tlsRecords: this.#tlsRecords,
      violations: this.#violations,
      lost: dropped + droppedByKernel,
    };
  }

  #take(): void {
    for (const { bytes } of this.#capture.take()) this.#judge(bytes);
  }

  #judge(frame: Buffer): void {
    for (const marker of this.#markers)
      if (frame.includes(marker)) this.#violation(`a marker is in ${this.#describe(frame)}`);
    const packet = decodePacket(frame);
    if (packet.t === "other") {
      if (packet.what !== "neighbour discovery") this.#violation(packet.what);
      return;
    }
    const { flow, segment } = packet;
    const ports = [flow.fromPort, flow.toPort];
    const port = isPod(flow.from) || isPod(flow.to) ? HBONE_PORT : DISCOVERY_PORT;
    if (!ports.includes(port)) return this.#violation(`${describeFlow(flow)}, ${segment.payload.length} bytes`);
    if (port === HBONE_PORT && segment.payload.length > 0) this.#hbone += 1;
    this.#walk(flow, segment);
  }

  #walk(flow: Flow, segment: Parameters<TlsWalk["take"]>[0]): void {
    const key = describeFlow(flow);
    const walk = this.#walks.get(key) ?? new TlsWalk();
    this.#walks.set(key, walk);
    const before = walk.records;
    const problem = walk.take(segment);
    if (problem !== null) this.#violation(`${key}: ${problem}`);
    else if (flow.fromPort === HBONE_PORT || flow.toPort === HBONE_PORT) this.#tlsRecords += walk.records - before;
  }

  #describe(frame: Buffer): string {
    const packet = decodePacket(frame);
    return packet.t === "tcp" ? describeFlow(packet.flow) : packet.what;
  }

  #violation(what: string): void {
    if (this.#violations.length < MAX_VIOLATIONS) this.#violations.push(what);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#capture[Symbol.dispose]();
  }
}
