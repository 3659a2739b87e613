import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { FakeClock } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type IdentityManager, type IdentityState, startIdentityManager } from "./identity-manager.ts";
import type { WorkloadCertificate } from "./workload-certificate.ts";
import { createCaClient } from "./ca-client.ts";
import { startTestCa } from "./suite.ts";

const HOUR = 3_600_000;
type Ask = { readonly identity: string; readonly signal: AbortSignal; answer(r: Result<WorkloadCertificate>): void };
let clock: FakeClock;
let asked: Ask[];
let changes: string[];
let manager: IdentityManager;
beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  changes = [];
  manager = startIdentityManager({
    clock,
    random: () => 0.5,
    fetch: (identity, signal) => new Promise((answer) => asked.push({ identity, signal, answer })),
    onChange: (identity, state) => changes.push(`${identity} ${state === null ? "gone" : label(state)}`),
  });
});
afterEach(() => {
  manager[Symbol.dispose]();
  expect(clock.pending).toBe(0);
});
const label = (s: IdentityState): string =>
  s.t === "available" ? `key ${s.keyPem}` : s.t === "unavailable" ? s.why : s.t;
const certificate = (identity: string, keyPem: string): Result<WorkloadCertificate> =>
  ok({
    identity,
    keyPem,
    chainPem: "",
    rootsPem: [],
    notBeforeMs: clock.nowMs(),
    notAfterMs: clock.nowMs() + 24 * HOUR,
  });
const no = fail(new MeshError(Code.Unavailable, "no"));
const settle = (): Promise<void> => clock.advanceAsync(0);

test("fetches once, tells, renews at half of the life, tells again", async () => {
  manager.want("a", "realtime");
  manager.want("a", "warmup");
  expect([asked.length, manager.get("a")]).toEqual([1, { t: "initializing" }]);
  asked[0]?.answer(certificate("a", "1"));
  await settle();
  expect(manager.get("a")).toMatchObject({ t: "available", keyPem: "1" });
  await clock.advanceAsync(12 * HOUR);
  expect(asked.length).toBe(2);
  asked[1]?.answer(certificate("a", "2"));
  await settle();
  expect(changes).toEqual(["a key 1", "a key 2"]);
});

test("a renewal that fails leaves the certificate in place until it expires", async () => {
  manager.want("a", "realtime");
  asked[0]?.answer(certificate("a", "1"));
  await clock.advanceAsync(12 * HOUR);
  for (let i = 1; i < 400 && clock.nowMs() < Date.UTC(2026, 0, 2); i++) {
    asked[i]?.answer(no);
    await clock.advanceAsync(clock.nextInMs ?? 0);
  }
  expect(changes).toEqual(["a key 1", "a the certificate expired and could not be renewed: no"]);
});

describe("waiting", () => {
  test("ends with the first result, for everybody who waits", async () => {
    const both = Promise.all([manager.wait("a"), manager.wait("a")]);
    asked[0]?.answer(certificate("a", "1"));
    expect((await both).map((r) => r.ok && r.value.keyPem)).toEqual(["1", "1"]);
    expect((await manager.wait("a")).ok).toBe(true);
    expect(asked.length).toBe(1);
  });
  test("while an error is cached it is given at once, and nobody asks the authority", async () => {
    const first = manager.wait("a");
    asked[0]?.answer(no);
    await first;
    const second = await manager.wait("a");
    expect(second.ok ? "" : second.error.message).toBe("no");
    expect(asked.length).toBe(1);
  });
  test("ends when the caller gives up, when the identity goes, when the manager stops", async () => {
    const controller = new AbortController();
    const [given, gone, stopped] = [manager.wait("a", controller.signal), manager.wait("b"), manager.wait("c")];
    controller.abort();
    manager.forget("b");
    manager[Symbol.dispose]();
    const why = (await Promise.all([given, gone, stopped])).map((r) => (r.ok ? "" : r.error.message));
    expect(why).toEqual(["the caller gave up waiting", "the identity left this node", "the manager has stopped"]);
  });
});

test("forgetting gives up the request; a late answer is dropped", async () => {
  manager.want("a", "warmup");
  manager.forget("a");
  expect([asked[0]?.signal.aborted, manager.get("a"), changes]).toEqual([true, null, ["a gone"]]);
  asked[0]?.answer(certificate("a", "1"));
  await settle();
  expect(manager.get("a")).toBe(null);
});

test("a fetch that throws is a failure like another", async () => {
  using throwing = startIdentityManager({
    clock,
    random: () => 0.5,
    fetch: () => Promise.reject(new Error("broken")),
    onChange: () => undefined,
  });
  const r = await throwing.wait("a");
  expect(r.ok ? "" : r.error.message).toBe("broken");
});

test("the dump shows states and certificates as ztunnel does", async () => {
  await using ca = await startTestCa();
  using client = createCaClient({ ...ca, clusterId: "Kubernetes", mode: "shared", ttlSec: 3_600 });
  using real = startIdentityManager({
    clock: { nowMs: Date.now, after: clock.after },
    random: Math.random,
    fetch: client.fetch,
    onChange: () => undefined,
  });
  await real.wait("spiffe://td/ns/ns/sa/sa");
  await real.wait("spiffe://td/ns/ns/sa/elsewhere");
  const [refused, issued] = real.dump();
  expect(refused).toMatchObject({ identity: "spiffe://td/ns/ns/sa/elsewhere", certChain: [], rootCerts: [] });
  expect(refused?.state).toMatch(/^Unavailable: The authority gave no certificate: UNAUTHENTICATED/);
  expect(issued).toMatchObject({ identity: "spiffe://td/ns/ns/sa/sa", state: "Available" });
  const [leaf] = issued?.certChain ?? [];
  const x509 = new X509Certificate(Buffer.from(leaf?.pem ?? "", "base64"));
  expect(leaf?.serialNumber).toBe(BigInt(`0x${x509.serialNumber}`).toString());
  expect(Date.parse(leaf?.expirationTime ?? "")).toBe(x509.validToDate.getTime());
  expect(leaf?.validFrom).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(issued?.rootCerts.length).toBe(1);
});
