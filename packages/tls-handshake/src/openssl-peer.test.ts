import { Buffer } from "node:buffer";
import { testCredentials } from "@lateen/certificates/test-credentials";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { OpensslPeer, type PeerOptions } from "./openssl-peer.test.support.ts";
import { SecureEnd } from "./secure-end.test.support.ts";
import { TlsEngine } from "./tls-engine.ts";

const peers = await testCredentials(Date.now());
const SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"] as const;
const engine = new TlsEngine({ nowMs: () => Date.now() });
afterAll(() => engine[Symbol.dispose]());

class Meeting {
  readonly end: SecureEnd;
  readonly peer: OpensslPeer;
  #toPeer: Uint8Array[] = [];

  constructor(role: "client" | "server", o: Partial<PeerOptions> = {}) {
    const other = role === "client" ? "server" : "client";
    this.peer = new OpensslPeer({ role: other, ...peers[other], suites: SUITES.join(":"), ...o });
    const send = (bytes: Uint8Array): void => void this.#toPeer.push(bytes);
    this.end = new SecureEnd(engine, { role, credentials: engine.credentials(peers[role]) }, send);
    this.carry(this.peer.step());
  }

  /** Bytes of the peer to us, then both ways until nothing moves. */
  carry(toEnd: Uint8Array): void {
    let bytes = toEnd;
    for (;;) {
      if (bytes.length > 0) this.end.receive(bytes);
      const back = Buffer.concat(this.#toPeer.splice(0));
      if (back.length === 0) return;
      bytes = this.peer.step(back);
    }
  }

  /** @returns what arrived of `bytes` sent by us */
  there(bytes: Uint8Array): Buffer {
    this.peer.received = [];
    this.end.write(bytes);
    this.carry(Buffer.alloc(0));
    return Buffer.concat(this.peer.received);
  }

  back(bytes: Uint8Array): Buffer {
    this.end.received = [];
    this.carry(this.peer.write(bytes));
    return Buffer.concat(this.end.received);
  }

  free(): void {
    this.end.free();
    this.peer.free();
  }
}

const filled = (n: number, i = 1): Buffer => Buffer.alloc(n, i);

describe.each(["client", "server"] as const)("as %s, with OpenSSL", (role) => {
  test.each(SUITES)("%s: 1 byte to 100 kB both ways", (suites) => {
    const m = new Meeting(role, { suites });
    for (const n of [1, 2, 15, 16, 17, 1000, 16_383, 16_384, 16_385, 100_000]) {
      expect(m.there(filled(n)).equals(filled(n))).toBe(true);
      expect(m.back(filled(n, 2)).equals(filled(n, 2))).toBe(true);
    }
    m.free();
  });

  test.each([0, 1, 2, 5])("%i tickets", (tickets) => {
    const m = new Meeting(role, { tickets });
    expect(m.back(filled(10)).equals(filled(10))).toBe(true);
    expect(m.there(filled(10)).equals(filled(10))).toBe(true);
    if (role === "client") expect(m.end.records!.opener.traffic.sequence).toBe(tickets + 1);
    m.free();
  });

  test.each([2, 512, 16_384])("records padded to %i", (blockPadding) => {
    const m = new Meeting(role, { blockPadding });
    for (const n of [1, 511, 512, 513, 20_000]) expect(m.back(filled(n)).equals(filled(n))).toBe(true);
    m.free();
  });

  test("key updates of both ends, asked for and not, in any order with content between", () => {
    const action = fc.constantFrom("ours", "theirs", "request", "there", "back", "move");
    fc.assert(
      fc.property(fc.constantFrom(...SUITES), fc.array(action, { maxLength: 30 }), (suites, actions) => {
        const m = new Meeting(role, { suites });
        let sent = 0;
        for (const a of actions) {
          sent += 1;
          if (a === "ours") m.end.records!.sealer.updateOwed = true;
          if (a === "theirs" || a === "request") m.peer.keyUpdate(a === "request");
          if (a === "there") expect(m.there(filled(sent * 700, sent)).equals(filled(sent * 700, sent))).toBe(true);
          if (a === "back") expect(m.back(filled(sent * 700, sent)).equals(filled(sent * 700, sent))).toBe(true);
          if (a === "move") m.end.move();
        }
        expect(m.there(Buffer.from("there")).toString()).toBe("there");
        expect(m.back(Buffer.from("back")).toString()).toBe("back");
        expect([m.peer.error, m.end.failure]).toEqual([0, null]);
        m.free();
      }),
      { numRuns: 60 },
    );
  });

  test("a request is answered once, at once, without content", () => {
    const m = new Meeting(role);
    m.there(filled(10));
    const before = m.end.records!.sealer.traffic.sequence;
    m.peer.keyUpdate(true);
    m.carry(m.peer.take());
    expect(before).toBeGreaterThan(0);
    expect(m.end.records!.sealer.traffic.sequence).toBe(0);
    expect(m.end.records!.sealer.updateOwed).toBe(false);
    expect(m.there(Buffer.from("on")).toString()).toBe("on");
    m.free();
  });

  test("close_notify each way; the other direction lives on", () => {
    const m = new Meeting(role);
    m.carry(m.peer.end());
    expect(m.end.ended).toBe(true);
    expect(m.there(Buffer.from("still here")).toString()).toBe("still here");
    m.end.end();
    m.carry(Buffer.alloc(0));
    m.free();
    const n = new Meeting(role);
    n.end.end();
    n.carry(Buffer.alloc(0));
    expect([n.peer.ended, n.peer.peerEnded, n.peer.error]).toEqual([true, true, 0]);
    expect(n.back(Buffer.from("still here")).toString()).toBe("still here");
    n.free();
  });

  test("a peer that does not know of ALPN is refused, and told", () => {
    const m = new Meeting(role, { alpn: false });
    expect(m.end.error?.message).toBe('tls handshake error: peer did not agree to protocol "h2"');
    expect(m.end.error?.code).toBe("DENIED");
    expect(m.peer.error).not.toBe(0);
    m.free();
  });

  test("a record changed on its way ends the connection at OpenSSL, and with us", () => {
    const m = new Meeting(role);
    const record = m.peer.write(filled(100));
    record[50]! ^= 1;
    m.end.received = [];
    m.carry(record);
    expect(m.end.failure).toEqual({ alert: 20, why: "record does not verify" });
    expect(m.end.received).toEqual([]);
    expect(m.peer.error).not.toBe(0); // our alert
    m.free();
  });
});

test("bytes right behind the client's Finished, partial records included, are kept by the server", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (size, at) => {
      const peer = new OpensslPeer({ role: "client", ...peers.client, suites: SUITES[0] });
      const out: Uint8Array[] = [];
      const end = new SecureEnd(engine, { role: "server", credentials: engine.credentials(peers.server) }, (b) =>
        out.push(b),
      );
      end.receive(peer.step());
      const finished = peer.step(Buffer.concat(out));
      const content = Buffer.alloc(size, "k");
      const wire = Buffer.concat([finished, peer.write(content)]);
      const cut = finished.length + Math.floor(at * (wire.length - finished.length));
      end.receive(wire.subarray(0, cut));
      expect(end.records).not.toBeNull();
      end.receive(wire.subarray(cut));
      expect(Buffer.concat(end.received).equals(content)).toBe(true);
      end.free();
      peer.free();
    }),
    { numRuns: 40 },
  );
});
