import { testCredentials } from "@lateen/certificates/test-credentials";
import type { Credentials, CredentialsOptions } from "@lateen/datapath";
import { Code, MeshError } from "@lateen/errors";
import { failureOf } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import { TlsEngine } from "./tls-engine.ts";

const peers = await testCredentials(Date.now());
const nowMs = (): number => Date.now();

const failure = failureOf(MeshError.is);

function shake(engine: TlsEngine, client: Credentials, server: Credentials): string {
  const start = (role: "client" | "server", credentials: Credentials) =>
    engine.handshake({ role, credentials, alpn: "h2", verifyPeer: () => null });
  const [near, far] = [start("client", client), start("server", server)];
  const end = near.step(far.step(near.step(null).send).send);
  const other = far.step(end.send);
  for (const step of [end, other]) if (step.t === "done") step.records.free();
  return `${end.t} ${other.t}`;
}

describe("credentials", () => {
  const { client, server } = peers;
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  test.each<[string, Partial<CredentialsOptions>, RegExp]>([
    ["no roots", { rootsPem: [] }, /no trust anchors given$/],
    ["an empty root", { rootsPem: [""] }, /trust anchors: /],
    ["a root that cannot be read", { rootsPem: [broken] }, /trust anchors: /],
    ["no chain", { chainPem: "" }, /no certificate or key given$/],
    ["a chain that cannot be read", { chainPem: broken }, /chain: /],
    ["a key for a chain", { chainPem: client.keyPem }, /chain: no certificate found$/],
    ["no key", { keyPem: "no key" }, /no private key found$/],
    ["a certificate for a key", { keyPem: client.chainPem }, /no private key found$/],
    ["somebody else's key", { keyPem: server.keyPem }, /key values mismatch$/],
  ])("%s: refused, without quoting a key", (_name, change, why) => {
    using engine = new TlsEngine({ nowMs });
    const error = failure(() => engine.credentials({ ...client, ...change }));
    expect(error.code).toBe(Code.BadInput);
    expect(error.message).toMatch(/^Cannot use credentials: /);
    expect(error.message).toMatch(why);
    expect(error.message).not.toContain("KEY");
  });

  test("made elsewhere are refused", () => {
    using engine = new TlsEngine({ nowMs });
    const credentials: Credentials = { opaque: {} };
    expect(
      failure(() => engine.handshake({ role: "client", credentials, alpn: "h2", verifyPeer: () => null })).code,
    ).toBe(Code.Bug);
  });

  test("may be more than the contexts that are kept: the oldest get another when they are used again", () => {
    using engine = new TlsEngine({ nowMs });
    const many = Array.from({ length: 600 }, (_, i) => engine.credentials(i % 2 === 0 ? client : server));
    expect(shake(engine, many[0]!, many[1]!)).toBe("done done");
    expect(shake(engine, many[598]!, many[599]!)).toBe("done done");
  });
});

describe("an engine", () => {
  test.each(["X25519MLKEM768:X25519", "P-256"])("shakes hands over %s when told so", (groups) => {
    using engine = new TlsEngine({ nowMs, groups });
    expect(shake(engine, engine.credentials(peers.client), engine.credentials(peers.server))).toBe("done done");
  });

  test("judges by the clock that it is given", () => {
    using engine = new TlsEngine({ nowMs: () => Date.now() + 30 * 86_400_000 });
    expect(shake(engine, engine.credentials(peers.client), engine.credentials(peers.server))).toBe("failed failed");
  });

  test("ends a handshake that goes on and on", () => {
    using engine = new TlsEngine({ nowMs });
    const o = { credentials: engine.credentials(peers.server), alpn: "h2", verifyPeer: () => null };
    const server = engine.handshake({ role: "server", ...o });
    // A ClientHello that says it is 60 kB long, in ever new records of one byte.
    const head = Uint8Array.of(22, 3, 1, 0, 4, 1, 0, 0xea, 0x60);
    const one = Uint8Array.of(22, 3, 1, 0, 1, 0);
    let step = server.step(head);
    let steps = 0;
    while (step.t === "more" && steps < 100_000) {
      step = server.step(one);
      steps += 1;
    }
    expect(step.t).toBe("failed");
    expect(steps).toBeLessThan(131_072 / one.length + 1);
  });

  test("refuses everything after it was disposed", () => {
    const engine = new TlsEngine({ nowMs });
    const credentials = engine.credentials(peers.client);
    engine[Symbol.dispose]();
    engine[Symbol.dispose]();
    expect(failure(() => engine.credentials(peers.client)).code).toBe(Code.Bug);
    expect(
      failure(() => engine.handshake({ role: "client", credentials, alpn: "h2", verifyPeer: () => null })).code,
    ).toBe(Code.Bug);
  });
});
