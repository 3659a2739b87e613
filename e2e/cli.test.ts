import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isMeshKept } from "@lateen/local-mesh";
import { eventually, requireRoot } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, ended, lateenctl, startLateenctl } from "./support/lateenctl.ts";
import { TestMesh, meshHome } from "./support/test-mesh.ts";

// Every command of the local mesh as a user types it, against one mesh from the example that the README shows.

const EXAMPLE = "../../examples/first-mesh";
const MESH = ["--mesh", "e2e"];
const TIMEOUT = { timeout: 60_000 };

/** Resolves with what a program has printed, once that matches. */
async function printed(child: ChildProcess, wanted: RegExp): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout?.setEncoding("utf8").iterator({ destroyOnReturn: false }) ?? []) {
    text += String(chunk);
    if (wanted.test(text)) return text;
  }
  throw new Error(`it ended without ${String(wanted)}: ${text}`);
}

async function interrupted(child: ChildProcess, signal: NodeJS.Signals = "SIGINT"): Promise<number | null> {
  const exit = once(child, "exit") as Promise<[number | null]>;
  child.kill(signal);
  return (await exit)[0];
}

describe.skipIf(requireRoot())("lateenctl", () => {
  let mesh: TestMesh;
  const ctl = (words: readonly string[], stdin?: string): Promise<Ended> => lateenctl(words, mesh.home.env, stdin);
  /** Words up to `--` are the command's; the mesh is named before that. */
  const say = (line: string, stdin?: string): Promise<Ended> => {
    const [command = "", ...rest] = line.split(" -- ");
    return ctl(
      [...command.split(" "), ...MESH, ...(rest.length === 0 ? [] : ["--", ...rest.join(" -- ").split(" ")])],
      stdin,
    );
  };
  const start = (...words: readonly string[]): ChildProcess => startLateenctl(words, mesh.home.env);
  const ok = async (line: string, stdin?: string): Promise<string> => {
    const { code, stdout, stderr } = await say(line, stdin);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout;
  };
  const policy = (): string => path.join(mesh.home.manifests, "07-policy.yaml");

  beforeAll(async () => {
    mesh = await TestMesh.up([EXAMPLE]);
  }, 90_000);
  afterAll(async () => {
    await mesh[Symbol.asyncDispose]();
  }, 60_000);

  test("up, a second time, says what to do", async () => {
    const { code, stderr } = await say(`local up -f ${mesh.home.manifests}`);
    expect(code).toBe(1);
    expect(stderr).toBe(
      'Error: Cannot start mesh "e2e": it runs already; `lateenctl local status` shows it, `down` ends it, and --mesh NAME starts one beside it\n',
    );
  });

  test("status shows parts, pods and Services", async () => {
    const text = await ok("local status");
    expect(text).toMatch(/^mesh e2e from .*\/manifests: ready\n/);
    expect(text).toMatch(/^ztunnel-node-2 +running +0 +-$/m);
    expect(text).toMatch(/^shop +status +yes +Running +0 +10\.244\.2\.\d+ +node-2 +captured$/m);
    expect(text).toMatch(/^legacy +monitor +yes +Running +0 +10\.244\.1\.\d+ +node-1 +-$/m);
    expect(text).toMatch(/^shop +catalog +10\.96\.\d+\.\d+ +80\/TCP +2$/m);
    expect(JSON.parse(await ok("local status -o json"))).toMatchObject({ mesh: "e2e", settled: true, problems: [] });
    expect(await ok("local status -o yaml")).toMatch(/^mesh: e2e\n/);
  });

  test("another mesh does not run, and the one that does is named", async () => {
    const { code, stderr } = await ctl(["local", "status"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/up -f DIR`, or name one that runs with --mesh: e2e\n$/)]);
  });

  describe("run", () => {
    test("is captured as the identity that is asked for", async () => {
      const allowed = await ok(
        "local run --as shop/frontend -- node get.mjs http://catalog/".replace(
          "get.mjs",
          path.join(mesh.home.manifests, "get.mjs"),
        ),
      );
      expect(JSON.parse(allowed)).toMatchObject({ pod: expect.stringMatching(/^catalog-/), path: "/" });
      const refused = await say(`local run --as shop/reports -- node ${mesh.home.manifests}/get.mjs http://catalog/`);
      expect(refused.code).not.toBe(0);
    });

    test("has our input, environment and exit code, and node is there", async () => {
      const script =
        "process.stdin.on('data',d=>console.log(d+process.env.POD_NAMESPACE+process.env.GREETING)).on('end',()=>process.exit(7))";
      const done = await say(`local run --as shop/default -e GREETING=hi -- node -e ${script}`, "in:");
      expect(done).toMatchObject({ code: 7, stdout: "in:shophi\n", stderr: "" });
    });

    test.each([
      ["nosuchprogram", 127, 'Error: Cannot run "nosuchprogram": there is no such program in PATH\n'],
      ["/etc/hosts", 126, 'Error: Cannot run "/etc/hosts": it is not executable\n'],
    ])("%s exits as in a shell, with %i", async (program, code, stderr) => {
      expect(await say(`local run --as shop/frontend -- ${program}`)).toMatchObject({ code, stdout: "", stderr });
    });

    test("a name that nothing declares is a warning, another node an error", async () => {
      const warned = await say("local run --as shop/frontnd -- node --version");
      expect(warned).toMatchObject({ code: 0, stdout: `${process.version}\n` });
      expect(warned.stderr).toBe(
        'Warning: nothing declares ServiceAccount "frontnd" in namespace "shop": did you mean "frontend"?\n',
      );
      const refused = await say("local run --as shop/frontend --node node-9 -- true");
      expect([refused.code, refused.stderr]).toEqual([
        1,
        'Error: Cannot run as a pod: no node fits spec.nodeName "node-9"\n',
      ]);
    });

    test("our signals are its signals, and our end is its end", async () => {
      const script = "process.on('SIGINT',()=>process.exit(42));setInterval(()=>{},1e6);console.log('ready')";
      const first = start("local", "run", ...MESH, "--as", "shop/frontend", "--", "node", "-e", script);
      await printed(first, /ready/);
      expect(await interrupted(first)).toBe(42);
      const second = start("local", "run", ...MESH, "--as", "shop/frontend", "--", "node", "-e", script);
      await printed(second, /ready/);
      second.kill("SIGKILL");
      await eventually(async () => (await mesh.status()).pods.every((p) => !p.name.startsWith("run-")), {
        what: "the pod of a killed command to go",
        deadlineMs: 20_000,
      });
    });

    test("Ctrl-C gives up while the pod waits for its capture", TIMEOUT, async () => {
      const agents = (await mesh.status()).nodes.map((n) => n.cni);
      for (const agent of agents) mesh.signal(agent, "SIGSTOP");
      try {
        const waiting = start("local", "run", ...MESH, "--as", "shop/frontend", "--", "true");
        const pods = async (): Promise<readonly string[]> =>
          (await mesh.status()).pods.map((p) => p.name).filter((n) => n.startsWith("run-"));
        await eventually(async () => (await pods()).length > 0, { what: "the pod that waits", deadlineMs: 20_000 });
        expect(await interrupted(waiting)).toBe(130);
      } finally {
        for (const agent of agents) mesh.signal(agent, "SIGCONT");
      }
      await eventually(async () => (await mesh.status()).pods.every((p) => !p.name.startsWith("run-")), {
        what: "the pod that was given up to go",
        deadlineMs: 20_000,
      });
    });
  });

  test("exec runs in a pod, by Deployment, Service or name", async () => {
    expect(await ok("local exec frontend -- hostname")).toMatch(/^frontend-/);
    expect(await ok("local exec -it deploy/frontend -n shop -- node get.mjs http://catalog.shop/")).toContain(
      '"pod":"catalog-',
    );
    expect(await ok("local exec svc/status.shop -- hostname")).toBe("status\n");
    expect(await ok("local exec status.shop -e A=b -- printenv A")).toBe("b\n");
    expect(await say("local exec status -- nosuchprogram")).toMatchObject({ code: 127, stdout: "" });
    const unknown = await say("local exec frontned -- true");
    expect(unknown).toMatchObject({
      code: 1,
      stderr: 'Error: Cannot find pod "frontned": did you mean "frontend.shop"?\n',
    });
  });

  describe("logs", () => {
    test("of pods and of the mesh's parts", async () => {
      expect(await ok("local logs status")).toBe("status listens on 8080\n");
      expect(await ok("local logs -n shop status -c web --tail 1")).toBe("status listens on 8080\n");
      const several = await say("local logs catalog");
      expect(several).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/^Found 2 pods, using pod\/catalog-\S+\n$/),
      });
      expect(several.stdout).toMatch(/^catalog-\S+ listens on 8080\n$/);
      expect(await ok("local logs controlplane")).toContain("certificate issued");
      expect((await ok("local logs ztunnel --node node-1 --tail 3")).trimEnd().split("\n")).toHaveLength(3);
      expect(await ok("local logs ztunnel --tail 1")).toMatch(/^\[node-[12]\] .*\n\[node-[12]\] .*\n$/);
      await ok("local logs daemon");
    });

    test("are followed until Ctrl-C", async () => {
      const following = start("local", "logs", ...MESH, "-f", "status");
      await printed(following, /listens/);
      expect(await interrupted(following)).toBe(0);
    });

    test.each([
      ["staus", 'Error: Cannot find pod "staus": did you mean "status.shop"?\n'],
      ["cni --node node-11", 'Error: Cannot find node "node-11": did you mean "node-1"?\n'],
      ["status -c sidecar", /status has no such container that runs\n$/],
    ])("of %s there are none", async (words, stderr) => {
      const said = await say(`local logs ${words}`);
      expect([said.code, said.stderr]).toEqual([
        1,
        typeof stderr === "string" ? stderr : expect.stringMatching(stderr),
      ]);
    });
  });

  test("explain says who, how and why, and its exit code says whether", async () => {
    const allowed = await ok("explain shop/frontend catalog.shop:80");
    expect(allowed).toMatch(
      /^from {5}shop\/frontend-\S+ on node-1, spiffe:\/\/cluster\.local\/ns\/shop\/sa\/frontend$/m,
    );
    expect(allowed).toMatch(/^path {5}HBONE to 10\.244\.\d\.\d+:15008 for /m);
    expect(allowed).toMatch(/^result {3}allowed: allowed by: shop\/catalog-callers \(rule 0\)$/m);
    const refused = await say("explain reports catalog:80");
    expect(refused).toMatchObject({ code: 1, stderr: "" });
    expect(refused.stdout).toMatch(
      /^result {3}refused: allow policies exist, but none allowed \(shop\/catalog-callers\)$/m,
    );
    const plaintext = await say("explain monitor catalog.shop:80");
    expect(plaintext.stdout).toMatch(
      /refused: explicitly denied by: istio-system\/istio_converted_static_strict .*STRICT/,
    );
    expect(JSON.parse(await ok("explain frontend status:80 -o json"))).toMatchObject({ verdict: { allowed: true } });
    const unknown = await say("explain frontend catlog:80");
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean "catalog.shop"?') });
  });

  test("what is applied is in force, and gone when deleted", TIMEOUT, async () => {
    const deny = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-frontend, namespace: shop }
spec:
  selector: { matchLabels: { app: status } }
  action: DENY
  rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/frontend"] } }] }]
`;
    const reaches = async (): Promise<boolean> =>
      (await say("local exec frontend -- node get.mjs http://status.shop/")).code === 0;
    expect(await reaches()).toBe(true);
    expect(await ok("local apply -f -", deny)).toBe("authorizationpolicy/no-frontend.shop created\n");
    await eventually(async () => !(await reaches()), { what: "the policy to be in force", deadlineMs: 20_000 });
    expect(await ok("local apply -f -", deny)).toBe("authorizationpolicy/no-frontend.shop unchanged\n");
    expect((await say("explain frontend status.shop:80")).stdout).toContain("denied by: shop/no-frontend (rule 0)");
    expect(await ok("ztunnel-config policies --policy-namespace shop")).toMatch(
      /^shop +no-frontend +Deny +WorkloadSelector$/m,
    );
    expect(await ok("local delete ap/no-frontend -n shop")).toBe("authorizationpolicy/no-frontend.shop deleted\n");
    await eventually(reaches, { what: "the policy to be gone", deadlineMs: 20_000 });
    const again = await say("local delete -f -", deny);
    expect([again.code, again.stderr]).toEqual([
      1,
      "Error: Cannot delete authorizationpolicy/no-frontend.shop: there is no such object\n",
    ]);
    const inFolder = await say("local delete ap catalog-callers -n shop");
    expect([inFolder.code, inFolder.stderr]).toEqual([
      1,
      expect.stringMatching(/07-policy\.yaml": remove it there\n$/),
    ]);
  });

  test("a broken file is reported at its line, and what it said before holds", TIMEOUT, async () => {
    const good = readFileSync(policy(), "utf8");
    writeFileSync(policy(), good.replace("action: ALLOW", "action: ALOW"));
    const problem =
      /07-policy\.yaml:\d+: AuthorizationPolicy shop\/catalog-callers: spec\.action: .*did you mean ALLOW\?/;
    try {
      await eventually(async () => problem.test(await ok("local status")), { what: "the problem", deadlineMs: 20_000 });
      const explained = await say("explain reports catalog:80");
      expect(explained).toMatchObject({ code: 1, stderr: expect.stringMatching(/^Warning: /) });
      expect(explained.stdout).toContain("none allowed (shop/catalog-callers)");
    } finally {
      writeFileSync(policy(), good);
    }
    await eventually(async () => !problem.test(await ok("local status")), {
      what: "it to be mended",
      deadlineMs: 20_000,
    });
  });

  test("port-forward reaches a Service from here, until Ctrl-C", TIMEOUT, async () => {
    const forwarding = start("local", "port-forward", ...MESH, "svc/status.shop", "0:80");
    const [, url = ""] = /^(127\.0\.0\.1:\d+) -> svc\/status\.shop:80\n/.exec(await printed(forwarding, /\n/)) ?? [];
    expect(await (await fetch(`http://${url}/`)).json()).toMatchObject({ pod: "status" });
    expect(await interrupted(forwarding)).toBe(0);
    for (const [words, stderr] of [
      ["svc/staus 80", 'Error: Cannot find Service "staus": did you mean "status"?\n'],
      ["svc/status.shop 81", 'Error: Cannot reach Service "status.shop": it has no TCP port 81, but 80\n'],
      ["nobody 80", /^Error: Cannot find pod "nobody": there are /],
    ] as const) {
      const said = await say(`local port-forward ${words}`);
      expect([said.code, said.stderr]).toEqual([
        1,
        typeof stderr === "string" ? stderr : expect.stringMatching(stderr),
      ]);
    }
  });

  describe("ztunnel-config", () => {
    test("lists what the ztunnel of a node knows and holds", async () => {
      const row = (text: string): RegExp => new RegExp(`^${text.replaceAll(" ", " +")}`, "m");
      const workloads = await ok("ztunnel-config workloads");
      expect(workloads).toMatch(row("NAMESPACE POD NAME ADDRESS NODE WAYPOINT PROTOCOL$"));
      expect(workloads).toMatch(row("shop status 10\\.244\\.2\\.\\d+,fd00:244:2::\\w+ node-2 None HBONE$"));
      expect(workloads).toMatch(row("legacy monitor \\S+ node-1 None TCP$"));
      expect(await ok("zc svc")).toMatch(row("shop catalog 10\\.96\\.\\d+\\.\\d+ None 2/2$"));
      expect(await ok("zc policies")).toMatch(row("shop catalog-callers Allow WorkloadSelector$"));
      const identity = "spiffe://cluster\\.local/ns/shop/sa/status";
      expect(await ok("zc certs status.shop")).toMatch(row(`${identity} Leaf Available true [0-9a-f]+ \\S+Z \\S+Z$`));
      expect(await ok("zc workloads status.shop")).not.toContain("frontend");
    });

    test("a connection is there while it lasts", TIMEOUT, async () => {
      const holding = start("local", "exec", ...MESH, "frontend", "--", "node", "get.mjs", "http://status.shop/ticks");
      const inbound = /^status\.shop +Inbound +status\.shop:8080 +frontend-\S+\.shop:\d+ .*HBONE$/m;
      await eventually(async () => inbound.test(await ok("zc connections --node node-2")), { deadlineMs: 20_000 });
      expect(await ok("zc cons frontend --direction outbound")).toMatch(
        /^frontend-\S+ +Outbound .*status\.shop\S*:80 +HBONE$/m,
      );
      await interrupted(holding);
    });

    test("all of it, as tables, and as JSON that a file can hold", async () => {
      expect(await ok("zc all --with-headers --node node-2")).toMatch(
        /WORKLOAD INFO[^]*SERVICE INFO[^]*POLICY INFO[^]*SECRET INFO[^]*CONNECTIONS INFO/,
      );
      const dump = await ok("zc all -o json --node node-2");
      expect(await ok("zc workloads --file -", dump)).toBe(await ok("zc workloads --node node-2"));
    });

    test("log levels are shown, set and reset", async () => {
      expect(await ok("zc log")).toBe(
        "ztunnel-node-1.istio-system:\ncurrent log level is info\nztunnel-node-2.istio-system:\ncurrent log level is info\n",
      );
      expect(await ok("zc log --node node-2 --level access:debug,info")).toMatch(/access[=:]debug/);
      expect(await ok("zc log --reset")).not.toContain("debug");
    });

    test("certificates of an unnamed node are nobody's", async () => {
      const said = await say("zc certificates");
      expect([said.code, said.stderr]).toEqual([64, expect.stringContaining("--node (there are node-1, node-2)")]);
    });
  });

  test("Ctrl-C while a mesh comes up takes it down again", TIMEOUT, async () => {
    using home = meshHome(EXAMPLE);
    const coming = startLateenctl(["local", "up", ...MESH, "-f", home.manifests], home.env);
    await eventually(() => existsSync(path.join(home.folders.run, "api.sock")), {
      what: "its daemon",
      deadlineMs: 20_000,
    });
    const end = ended(coming);
    coming.kill("SIGINT");
    expect(await end).toMatchObject({ code: 130, stdout: "", stderr: "mesh e2e is taken down again\n" });
    expect(await isMeshKept(home.folders)).toBe(false);
    expect(existsSync(home.folders.run)).toBe(false);
  });
});
