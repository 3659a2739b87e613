import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { TLSSocket, connect, createSecureContext } from "node:tls";
import { testCredentials } from "@lateen/certificates/test-credentials";
import { afterAll, describe, expect, test } from "vitest";
import { SecureEnd } from "./secure-end.test.support.ts";
import { TlsEngine } from "./tls-engine.ts";

const peers = await testCredentials(Date.now());
const SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"] as const;
const engine = new TlsEngine({ nowMs: () => Date.now() });
afterAll(() => engine[Symbol.dispose]());

type Role = "client" | "server";

interface Meeting {
  readonly end: SecureEnd;
  readonly tls: TLSSocket;
  /** What node:tls received. */
  readonly got: () => Buffer;
  readonly until: (what: string, condition: () => boolean) => Promise<void>;
  readonly errors: string[];
}

interface MeetOptions {
  /** Ours. */
  readonly role: Role;
  readonly suites?: string;
  /** Largest portion in which we are given bytes. */
  readonly portion?: number;
  readonly peerAs?: keyof typeof peers;
  readonly as?: keyof typeof peers;
  readonly verifyPeer?: () => string | null;
}

/** Our end and a TLSSocket, joined by a Duplex that only carries bytes. */
function meet(o: MeetOptions): Meeting {
  const portion = o.portion ?? 65_536;
  const toEnd: Buffer[] = [];
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      toEnd.push(chunk);
      setImmediate(() => {
        for (const bytes of toEnd.splice(0))
          for (let at = 0; at < bytes.length; at += portion) end.receive(bytes.subarray(at, at + portion));
        done();
      });
    },
  });
  const peerRole = o.role === "client" ? "server" : "client";
  const material = peers[o.peerAs ?? peerRole];
  const secureContext = createSecureContext({
    key: material.keyPem,
    cert: material.chainPem,
    ca: [...material.rootsPem],
    minVersion: "TLSv1.3",
    ciphers: o.suites ?? SUITES.join(":"),
  });
  const common = { secureContext, ALPNProtocols: ["h2"], rejectUnauthorized: false } as const;
  const tls =
    peerRole === "client"
      ? connect({ ...common, socket: wire, checkServerIdentity: () => undefined })
      : new TLSSocket(wire as never, { ...common, isServer: true, requestCert: true });
  const got: Buffer[] = [];
  const errors: string[] = [];
  const waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const w of waiting.splice(0)) w();
  };
  tls.on("data", (b: Buffer) => (got.push(b), wake()));
  for (const event of ["end", "close", "secure", "secureConnect"]) tls.on(event, wake);
  // A server's socket that is made by hand tells of what goes wrong by its inner event only.
  for (const event of ["error", "_tlsError"]) tls.on(event, (e: Error) => (errors.push(e.message), wake()));
  const credentials = engine.credentials(peers[o.as ?? o.role]);
  const end = new SecureEnd(
    engine,
    { role: o.role, credentials, ...(o.verifyPeer ? { verifyPeer: o.verifyPeer } : {}) },
    (b) => wire.push(b),
  );
  end.onChange = wake;
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`${what}: not within 5 s`)), 5000);
    try {
      while (!condition()) await Promise.race([late.promise, new Promise<void>((resolve) => waiting.push(resolve))]);
    } finally {
      clearTimeout(timer);
    }
  };
  return { end, tls, got: () => Buffer.concat(got), until, errors };
}

const bulk = (n: number, seed: number): Buffer => Buffer.from(Array.from({ length: n }, (_, i) => (i * seed) & 0xff));

describe.each(["client", "server"] as const)("as %s, with node:tls", (role) => {
  test.each(SUITES)("%s: content both ways, then both ends close", async (suites) => {
    const m = meet({ role, suites });
    await m.until("handshake", () => m.end.records !== null);
    const [there, back] = [bulk(100_000, 7), bulk(90_001, 5)];
    m.end.write(there);
    m.tls.write(back);
    await m.until("content", () => m.got().length === there.length && m.end.text.length === back.length);
    expect(m.got().equals(there)).toBe(true);
    expect(Buffer.concat(m.end.received).equals(back)).toBe(true);
    let ended = false;
    m.tls.on("end", () => (ended = true));
    m.end.end();
    await m.until("its end", () => ended);
    m.tls.end();
    await m.until("our end", () => m.end.ended);
    expect(m.errors).toEqual([]);
    m.end.free();
  });

  test.each([1, 7, 1000])("in portions of %i bytes, moved to another process at each", async (portion) => {
    const m = meet({ role, portion });
    const receive = m.end.receive.bind(m.end);
    m.end.receive = (bytes) => {
      if (m.end.records !== null) m.end.move();
      receive(bytes);
    };
    m.tls.write(bulk(3000, 3));
    await m.until("content", () => m.end.text.length === 3000);
    expect(Buffer.concat(m.end.received).equals(bulk(3000, 3))).toBe(true);
    m.end.write(bulk(2000, 9));
    await m.until("content back", () => m.got().length === 2000);
    expect(m.got().equals(bulk(2000, 9))).toBe(true);
    m.tls.destroy();
    m.end.free();
  });

  test("key updates of ours are followed, hundreds of them", async () => {
    const m = meet({ role });
    await m.until("handshake", () => m.end.records !== null);
    for (let i = 0; i < 300; i++) {
      m.end.records!.sealer.updateOwed = true;
      m.end.write(bulk(50, i));
    }
    await m.until("content", () => m.got().length === 300 * 50);
    expect(m.got().equals(Buffer.concat(Array.from({ length: 300 }, (_, i) => bulk(50, i))))).toBe(true);
    m.tls.destroy();
    m.end.free();
  });

  test("an alert of ours is understood", async () => {
    const m = meet({ role });
    m.tls.write("x"); // node:tls is done with its side of the handshake when this arrives
    await m.until("content", () => m.end.text === "x");
    m.end.alert(49);
    await m.until("its error", () => m.errors.length > 0);
    expect(m.errors[0]).toMatch(/access.denied/i);
    m.end.free();
  });

  test.each([
    ["expired", /has expired/, /certificate.expired/i],
    ["stranger", /unknown authority/, /unknown.ca/i],
    ...(role === "server"
      ? [["serverOnly", /not for the purpose clientAuth/, /unsupported.certificate/i] as const]
      : []),
  ] as const)("a peer that is %s is refused, and told", async (peerAs, why, told) => {
    const m = meet({ role, peerAs });
    await m.until("both errors", () => m.end.error !== null && m.errors.length > 0);
    expect(m.end.error?.message).toMatch(why);
    expect(m.errors[0]).toMatch(told);
    expect(m.end.text).toBe("");
    m.end.free();
  });

  test("a peer that verifyPeer refuses, or fails to judge, is told", async () => {
    for (const verifyPeer of [
      () => "not you",
      () => {
        throw new Error("boom");
      },
    ] as const) {
      const m = meet({ role, verifyPeer });
      await m.until("both errors", () => m.end.error !== null && m.errors.length > 0);
      expect(m.end.error?.message).toMatch(/^tls handshake error: (not you|the peer could not be judged)$/);
      m.end.free();
    }
  });
});

test("node:tls sends tickets; they are passed over", async () => {
  const m = meet({ role: "client" });
  let tickets = 0;
  m.tls.on("session", () => tickets++);
  await m.until("handshake", () => m.end.records !== null);
  m.tls.write("x");
  await m.until("content", () => m.end.text === "x");
  expect(m.end.records!.opener.traffic.sequence).toBeGreaterThan(1); // records before the content: tickets
  m.tls.destroy();
  m.end.free();
});
