import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { createCaClient, generateTokenKey, openAuthority } from "@lateen/ca";
import { eventually } from "@lateen/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, Rig, podYaml, policyYaml } from "./control-plane.test.support.ts";

const WEB = "spiffe://cluster.local/ns/shop/sa/web";
const uid = (name: string, ns = "shop"): string => `Kubernetes//Pod/${ns}/${name}`;

let rig: Rig;
beforeEach(() => void (rig = new Rig()));
afterEach(() => rig[Symbol.asyncDispose]());

describe("subscribers", () => {
  test("get the whole state, then exactly what changed", async () => {
    await rig.start();
    using client = rig.client();
    client.subscribe(ADDRESS_TYPE);
    const names = [uid("far"), uid("web"), uid("ztunnel-a", "istio-system")].sort();
    expect(await client.next()).toEqual({ t: "response", type: ADDRESS_TYPE, names, removed: [] });
    client.subscribe(AUTHORIZATION_TYPE);
    expect(await client.next()).toEqual({
      t: "response",
      type: AUTHORIZATION_TYPE,
      names: ["shop/allow"],
      removed: [],
    });

    rig.put("allow.yaml", policyYaml("allow", "other"));
    expect(await client.next()).toEqual({
      t: "response",
      type: AUTHORIZATION_TYPE,
      names: ["shop/allow"],
      removed: [],
    });
    rig.put("far.json", podYaml("far", { ip: "10.0.1.9", node: "node-b" }));
    expect(await client.next()).toEqual({ t: "response", type: ADDRESS_TYPE, names: [uid("far")], removed: [] });
    rmSync(join(rig.dir, "config/far.json"));
    expect(await client.next()).toEqual({ t: "response", type: ADDRESS_TYPE, names: [], removed: [uid("far")] });
  });

  test("get a policy before the workload that names it, and lose it after", async () => {
    await rig.start();
    using client = rig.client();
    for (const type of [AUTHORIZATION_TYPE, ADDRESS_TYPE]) {
      client.subscribe(type);
      await client.next();
    }
    rig.put("second.yaml", policyYaml("second", "front"));
    expect(await client.next()).toMatchObject({ type: AUTHORIZATION_TYPE, names: ["shop/second"] });
    expect(await client.next()).toMatchObject({ type: ADDRESS_TYPE, names: [uid("web")] });
    rmSync(join(rig.dir, "config/second.yaml"));
    expect(await client.next()).toMatchObject({ type: ADDRESS_TYPE, names: [uid("web")] });
    expect(await client.next()).toMatchObject({ type: AUTHORIZATION_TYPE, removed: ["shop/second"] });
  });

  test("that come back pay for what changed meanwhile, even over a restart", async () => {
    await rig.start();
    const first = rig.client();
    first.subscribe(ADDRESS_TYPE);
    await first.next();
    const known = new Map(first.versions.get(ADDRESS_TYPE));
    first[Symbol.dispose]();
    await rig.stop();
    rig.put("web.json", podYaml("web", { ip: "10.0.0.7" }));
    rmSync(join(rig.dir, "config/far.json"));
    await rig.start();
    using second = rig.client();
    second.subscribe(ADDRESS_TYPE, known);
    expect(await second.next()).toEqual({
      t: "response",
      type: ADDRESS_TYPE,
      names: [uid("web")],
      removed: [uid("far")],
    });
  });

  test("keep the last good state of a file that broke, which is reported by file, line and field", async () => {
    await rig.start();
    using client = rig.client();
    client.subscribe(AUTHORIZATION_TYPE);
    await client.next();
    rig.put("allow.yaml", policyYaml("allow", "front").replace("rules:", "rulse:"));
    const line = `${rig.dir}/config/allow.yaml:6: AuthorizationPolicy shop/allow: spec.rulse: is not a known field`;
    await eventually(() => rig.lines.some((l) => l.includes(line)), { what: "the report" });
    expect(await rig.debug("problems")).toMatchObject([{ severity: "error", text: line }]);
    rig.put("allow.yaml", policyYaml("allow", "third"));
    rig.put("more.yaml", policyYaml("more", "third"));
    // Had the broken file removed its policy, its return would be heard of on its own; what is heard is the mended one.
    const heard = [await client.next()];
    if (heard.flatMap((h) => (h.t === "response" ? h.names : [])).length < 2) heard.push(await client.next());
    expect(heard.flatMap((h) => (h.t === "response" ? h.names : [])).sort()).toEqual(["shop/allow", "shop/more"]);
    expect(heard.flatMap((h) => (h.t === "response" ? h.removed : []))).toEqual([]);
    expect(rig.lines.filter((l) => l.includes(line) && l.includes("\terror\t")).length).toBe(1);
    expect(await rig.debug("problems")).toEqual([]);
  });

  test.each([
    ["lets nobody in", "close", ["shop/allow", "shop/new"]],
    ["is left out when that is wanted", "ignore", ["shop/allow"]],
  ])("a new policy that cannot be read %s", async (_, mode, names) => {
    rig.put("new.yaml", policyYaml("new", "front").replace("rules:", "rulse:"));
    await rig.start({ LATEEN_UNREADABLE_POLICY: mode });
    using client = rig.client();
    client.subscribe(AUTHORIZATION_TYPE);
    expect(await client.next()).toMatchObject({ names });
    expect(await rig.debug("problems")).toHaveLength(1);
  });

  test("are let go when the control plane ends", async () => {
    await rig.start();
    using client = rig.client();
    client.subscribe(AUTHORIZATION_TYPE);
    await client.next();
    await rig.stop();
    expect(await client.next()).toMatchObject({ t: "end", status: { code: 0 } });
  });

  test("show on the debug pages", async () => {
    await rig.start();
    using client = rig.client();
    client.subscribe(ADDRESS_TYPE);
    await client.next();
    await eventually(async () => {
      const [one] = (await rig.debug("clients")) as { types: Record<string, { nonceAcked: string }> }[];
      return one?.types[ADDRESS_TYPE]?.nonceAcked;
    });
    expect(await rig.debug("clients")).toMatchObject([{ caller: "istio-system/ztunnel by token" }]);
    expect(await rig.debug("collections")).toMatchObject({ workloads: expect.arrayContaining([]) as unknown });
  });
});

describe("callers", () => {
  const refused = async (by: Parameters<Rig["client"]>[0]): Promise<unknown> => {
    using client = rig.client(by);
    client.subscribe(ADDRESS_TYPE);
    const heard = await client.next();
    return heard.t === "end" ? [heard.status.code, heard.status.details] : heard;
  };
  const UNAUTHENTICATED = [16, "authentication failure"];

  test("without a proof, or with one that does not hold, are refused", async () => {
    await rig.start();
    expect(await refused({})).toEqual(UNAUTHENTICATED);
    for (const token of [
      "nonsense",
      rig.token({ audience: "another" }),
      rig.token({ ttlSec: -60 }),
      rig.token({ key: generateTokenKey().privateKeyPem }),
    ])
      expect(await refused({ token })).toEqual(UNAUTHENTICATED);
    expect(rig.lines.filter((l) => l.includes("refused a client")).length).toBe(5);
  });

  test("that are not what their node says are refused", async () => {
    await rig.start();
    const DENIED = [7, expect.stringMatching(/^authorization failed: /)];
    for (const subject of [
      { namespace: "shop", serviceAccount: "web" },
      { namespace: "istio-system", serviceAccount: "other" },
    ])
      expect(await refused({ token: rig.token({ subject }) })).toEqual(DENIED);
  });

  test("with a certificate of our root subscribe if they are node proxies", async () => {
    await rig.start();
    using ca = rig.ca();
    const own = await ca.fetch("spiffe://cluster.local/ns/istio-system/sa/ztunnel");
    const other = await ca.fetch(WEB);
    if (!own.ok || !other.ok) throw new Error("not issued");
    using client = rig.client({ certificate: own.value });
    client.subscribe(AUTHORIZATION_TYPE);
    expect(await client.next()).toMatchObject({ names: ["shop/allow"] });
    expect(await refused({ certificate: other.value })).toEqual([7, expect.stringMatching(/^authorization failed: /)]);
  });

  test("with a certificate of a foreign root are refused", async () => {
    await rig.start();
    const dir = join(rig.dir, "foreign");
    const foreign = await openAuthority({ keys: dir, trustDomain: "cluster.local", nowMs: Date.now });
    const name = { t: "uri", value: "spiffe://cluster.local/ns/istio-system/sa/ztunnel" } as const;
    const made = await foreign.issueServer({ names: [name], ttlSec: 600 });
    const certificate = { ...made, identity: name.value, rootsPem: [foreign.rootsPem] };
    expect(await refused({ certificate })).toEqual(UNAUTHENTICATED);
  });
});

describe("certificates", () => {
  test("are issued for identities on the caller's node, and for no other", async () => {
    await rig.start();
    using ca = rig.ca();
    expect(await ca.fetch(WEB)).toMatchObject({ ok: true, value: { identity: WEB } });
    for (const wanted of ["ns/shop/sa/far", "ns/shop/sa/nobody"])
      expect(await ca.fetch(`spiffe://cluster.local/${wanted}`)).toMatchObject({ ok: false });
    rig.put("far.json", podYaml("far", { ip: "10.0.0.8", node: "node-a" }));
    await eventually(async () => (await ca.fetch("spiffe://cluster.local/ns/shop/sa/far")).ok);
    expect(rig.lines.some((l) => l.includes("no instances of shop/far on node node-a"))).toBe(true);
  });

  test("need a pod that lives: a token of its predecessor is refused", async () => {
    await rig.start();
    using ca = rig.ca(rig.token({ subject: { pod: { name: "ztunnel-a", uid: "of-before" } } }));
    expect(await ca.fetch(WEB)).toMatchObject({ ok: false });
    expect(rig.lines.some((l) => l.includes("UID does not match"))).toBe(true);
  });

  test("come from one root over restarts, kept where only its owner can enter", async () => {
    await rig.start();
    const root = readFileSync(join(rig.dir, "state/root-cert.pem"), "utf8");
    await rig.stop();
    await rig.start();
    expect(readFileSync(join(rig.dir, "state/root-cert.pem"), "utf8")).toBe(root);
    expect(statSync(join(rig.dir, "state/ca")).mode & 0o777).toBe(0o700);
    expect(statSync(join(rig.dir, "state/ca/ca-key.pem")).mode & 0o777).toBe(0o600);
  });

  test("are refused to who has no token that holds", async () => {
    await rig.start();
    const address = `https://localhost:${rig.plane?.port}`;
    const rootFile = join(rig.dir, "state/root-cert.pem");
    writeFileSync(join(rig.dir, "bad"), "nonsense");
    const o = { address, rootFile, tokenFile: join(rig.dir, "bad"), clusterId: "Kubernetes", ttlSec: 60 };
    using ca = createCaClient({ ...o, mode: "shared" });
    expect(await ca.fetch(WEB)).toMatchObject({ ok: false });
  });
});

describe("the process", () => {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const args = ["--conditions=lateen:source", main];

  test("says when it has started, and ends with 0 on SIGTERM", async () => {
    const child = spawn(process.execPath, args, { env: { ...rig.env }, stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => void (out += chunk.toString()));
    await eventually(() => out.includes("started"), { deadlineMs: 20_000 });
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(out).toContain("stopping");
  });

  test.each([
    ["nothing configured", {}, 2, /CONFIG_DIRS.*STATE_DIR/],
    ["a bad address", { DISCOVERY_ADDRESS: "nowhere" }, 1, /nowhere/],
    ["no token key", { TOKEN_KEY_FILE: "/nowhere/key.pem" }, 1, /\/nowhere\/key\.pem/],
    ["a state folder that cannot be made", { STATE_DIR: "/proc/lateen" }, 1, /Cannot create key folder \/proc\/lateen/],
  ])("%s: says so and ends with its code", async (name, change, code, message) => {
    const env = name === "nothing configured" ? {} : { ...rig.env, ...change };
    const failure: unknown = await promisify(execFile)(process.execPath, args, { env }).catch((e: unknown) => e);
    expect(failure).toMatchObject({ code });
    expect((failure as { stderr: string }).stderr).toMatch(message);
  });
});

describe("the state folder", () => {
  test("is not written again when nothing in it changes, so a read-only one serves on", async () => {
    await rig.start();
    await rig.stop();
    const before = statSync(join(rig.dir, "state/root-cert.pem"));
    await rig.start();
    expect(statSync(join(rig.dir, "state/root-cert.pem")).ino).toBe(before.ino);
  });

  test("keeps the policies in force: a restart while their file is broken does not open what they closed", async () => {
    await rig.start();
    await rig.stop();
    await rig.start();
    rig.put("second.yaml", policyYaml("second", "front"));
    const kept = (): string => readFileSync(join(rig.dir, "state/last-good.json"), "utf8");
    await eventually(() => kept().includes("second"), { what: "a change to be kept too" });
    await rig.stop();
    rig.put("allow.yaml", "kind: [");
    rig.put("second.yaml", "kind: [");
    await rig.start();
    using client = rig.client();
    client.subscribe(AUTHORIZATION_TYPE);
    expect(await client.next()).toMatchObject({ names: ["shop/allow", "shop/second"] });
    await rig.stop();
    for (const name of ["allow", "second"]) rmSync(join(rig.dir, `config/${name}.yaml`));
    rig.put("other.yaml", policyYaml("other", "front"));
    await rig.start();
    using again = rig.client();
    again.subscribe(AUTHORIZATION_TYPE);
    expect(await again.next()).toMatchObject({ names: ["shop/other"] });
  });

  test("that cannot be written, or holds nonsense, costs a line in the log and nothing else", async () => {
    mkdirSync(join(rig.dir, "state/last-good.json/in-the-way"), { recursive: true });
    await rig.start();
    await eventually(() => rig.lines.some((l) => l.includes("cannot keep the policies in force")));
    await rig.stop();
    rmSync(join(rig.dir, "state/last-good.json"), { recursive: true });
    for (const text of ["", "[{}]", '{"manifests": 1}', "[null]"]) {
      writeFileSync(join(rig.dir, "state/last-good.json"), text);
      await rig.start();
      await rig.stop();
    }
    expect(rig.lines.filter((l) => l.includes("cannot read the policies of the run before")).length).toBe(5);
  });
});
