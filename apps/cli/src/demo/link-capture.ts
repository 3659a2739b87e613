import { Buffer } from "node:buffer";
import { FABRIC_LINK } from "@lateen/local-mesh";
import { type Capture, openCapture, openNetns } from "@lateen/linux";

const HBONE_PORT = 15_008;
const ETHERTYPE_IPV4 = 0x0800;
const TCP = 6;
/** Packets that are kept between two looks; a demo sends a few hundred. */
const MAX_WAITING = 65_536;

/** What went over the link between the nodes since the last look. */
export interface LinkReport {
  readonly packets: number;
  /** TCP payloads from or to port 15008. */
  readonly hbone: number;
  /** Of these, the ones that begin with the header of a TLS record. */
  readonly tlsRecords: number;
  /** Packets of any protocol that hold the marker. */
  readonly withMarker: number;
  /** Captured but lost before they could be read. */
  readonly dropped: number;
}

interface Segment {
  readonly ports: readonly [number, number];
  readonly payload: Uint8Array;
}

function tcpSegment(frame: Buffer): Segment | null {
  if (frame.length < 54 || frame.readUInt16BE(12) !== ETHERTYPE_IPV4 || frame[23] !== TCP) return null;
  const ip = frame.subarray(14, 14 + frame.readUInt16BE(16));
  const tcp = ip.subarray((ip[0]! & 0x0f) * 4);
  if (tcp.length < 20) return null;
  return { ports: [tcp.readUInt16BE(0), tcp.readUInt16BE(2)], payload: tcp.subarray((tcp[12]! >> 4) * 4) };
}

/** Handshake, change-cipher-spec, alert or application data, of any TLS version's record header. */
const isTlsRecord = (p: Uint8Array): boolean => p.length >= 5 && p[0]! >= 20 && p[0]! <= 23 && p[1] === 3;

/** Listens on the link by which one node of a local mesh reaches the others. */
export class LinkCapture implements Disposable {
  readonly #capture: Capture;
  #dropped = 0;

  /** @param netns path of the node's network namespace */
  constructor(netns: string) {
    using node = openNetns(netns);
    this.#capture = openCapture({ netns: node.fd, interfaceName: FABRIC_LINK, maxWaiting: MAX_WAITING });
  }

  /** Everything since the last look. */
  look(marker: string): LinkReport {
    const packets = this.#capture.take();
    const segments = packets.flatMap(({ bytes }) => tcpSegment(bytes) ?? []).filter((s) => s.payload.length > 0);
    const hbone = segments.filter((s) => s.ports.includes(HBONE_PORT));
    const dropped = this.#capture.counters.dropped - this.#dropped;
    this.#dropped += dropped;
    return {
      packets: packets.length,
      hbone: hbone.length,
      tlsRecords: hbone.filter((s) => isTlsRecord(s.payload)).length,
      withMarker: packets.filter(({ bytes }) => bytes.includes(Buffer.from(marker))).length,
      dropped,
    };
  }

  [Symbol.dispose](): void {
    this.#capture[Symbol.dispose]();
  }
}
