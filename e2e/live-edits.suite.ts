import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "@lateen/testkit";
import type { TestMesh } from "./support/test-mesh.ts";
import { type TestPod, over, readAll } from "./support/test-pod.ts";
import { echo } from "./support/traffic.ts";

const PORT = 7_100;
const TIMEOUT = { timeout: 60_000 };

const policy = (name: string, spec: string): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: pair }\nspec: ${spec}\n`;
const ON_SERVER = "selector: { matchLabels: { app: server } }";
const from = (account: string): string =>
  `rules: [{ from: [{ source: { principals: [cluster.local/ns/pair/sa/${account}] } }] }]`;

/** What a mesh makes of edits of its policies while it runs, with the pods of `topologies/pair`. */
export function liveEditsSuite(mesh: () => TestMesh): void {
  describe("policies edited while the mesh runs", () => {
    let ends: Readonly<Record<"client" | "intruder" | "server", TestPod>>;
    let good: string;
    const file = (name: string): string => path.join(mesh().home.manifests, name);

    beforeAll(async () => {
      const [client, intruder, server] = await Promise.all(
        ["client", "intruder", "server"].map((name) => mesh().pod(name)),
      );
      ends = { client: client!, intruder: intruder!, server: server! };
      await ends.server.listen(PORT, echo);
      good = readFileSync(file("policy.yaml"), "utf8");
    });
    afterEach(async () => {
      rmSync(file("second.yaml"), { force: true });
      save("policy.yaml", good);
      await problems([]);
      await allowed("client");
    });

    /** As an editor saves: the whole file at once. */
    function save(name: string, text: string): void {
      writeFileSync(file(`${name}.new`), text);
      renameSync(file(`${name}.new`), file(name));
    }

    /** Waits until the mesh has exactly these problems, and the command shows them. */
    async function problems(wanted: readonly (string | RegExp)[]): Promise<void> {
      const match = wanted.map(
        (w) => (typeof w === "string" ? expect.stringContaining(w) : expect.stringMatching(w)) as unknown,
      );
      await eventually(
        async () => {
          expect((await mesh().status()).problems).toEqual(match);
          return true;
        },
        { what: "the problems to be as expected", deadlineMs: 15_000 },
      );
      if (wanted.length === 0) return;
      const { stdout } = await mesh().local("status");
      const shown = stdout.slice(stdout.indexOf("\nproblems\n") + "\nproblems\n".length);
      expect(shown.trimEnd().split("\n")).toEqual(match);
    }

    async function talks(name: "client" | "intruder"): Promise<boolean> {
      const socket = ends[name].connect(ends.server.ip, PORT);
      try {
        socket.end("hello");
        return (await readAll(socket)).toString() === "hello";
      } catch {
        return false; // refused
      } finally {
        socket.destroy();
      }
    }
    const becomes = (name: "client" | "intruder", wanted: boolean): Promise<unknown> =>
      eventually(async () => (await talks(name)) === wanted, {
        what: `${name} to be ${wanted ? "let in" : "refused"}`,
        deadlineMs: 15_000,
      });
    const allowed = (name: "client" | "intruder"): Promise<unknown> => becomes(name, true);
    const refused = (name: "client" | "intruder"): Promise<unknown> => becomes(name, false);
    const configuration = (): Promise<string> => mesh().client.ztunnelAdmin("node-2", "GET", "/config_dump");

    /** The policies are those from before the edit. */
    async function unchanged(): Promise<void> {
      expect({ client: await talks("client"), intruder: await talks("intruder") }).toEqual({
        client: true,
        intruder: false,
      });
    }

    test("what is no YAML is reported by file and line, and changes nothing", TIMEOUT, async () => {
      save("policy.yaml", good.replace("action: ALLOW", "action: [ALLOW"));
      await problems([/\/policy\.yaml:\d+: .+/]);
      await unchanged();
    });

    test("a value that the field does not take is reported by file, line, object and field", TIMEOUT, async () => {
      save("policy.yaml", good.replace("action: ALLOW", "action: PERMIT"));
      await problems([/\/policy\.yaml:6: AuthorizationPolicy pair\/server-callers: spec\.action: .+/]);
      await unchanged();
    });

    test("a field that does not exist is reported too", TIMEOUT, async () => {
      save("policy.yaml", good.replace("principals:", "principal:"));
      await problems([
        /\/policy\.yaml:8: AuthorizationPolicy pair\/server-callers: spec\.rules\[0\]\.from\[0\]\.source\.principal: is not a known/,
        /\/policy\.yaml:8: AuthorizationPolicy pair\/server-callers: spec\.rules\[0\]\.from\[0\]\.source: must not be empty/,
      ]);
      await unchanged();
    });

    test("a file half written is a problem until the rest comes, and changes nothing before", TIMEOUT, async () => {
      const whole = good.replace("sa/client", "sa/intruder");
      writeFileSync(file("policy.yaml"), whole.slice(0, whole.indexOf("sa/intruder") + 5));
      await problems([/\/policy\.yaml:8: is not YAML: .*\]$/, /\/policy\.yaml:8: is not YAML: .*\}$/]);
      await unchanged();
      writeFileSync(file("policy.yaml"), whole);
      await problems([]);
      await allowed("intruder");
      await refused("client");
    });

    test("a file beyond any sense is not read, and changes nothing", TIMEOUT, async () => {
      save("policy.yaml", `${good}# ${"x".repeat(2 * 1024 * 1024)}\n`);
      await problems([/\/policy\.yaml: is larger than 1048576 bytes/]);
      await unchanged();
    });

    test("an object that stands twice: the first stays, the second is reported", TIMEOUT, async () => {
      save("second.yaml", policy("server-callers", `{ ${ON_SERVER}, action: DENY, ${from("client")} }`));
      await problems([/\/second\.yaml:1: AuthorizationPolicy pair\/server-callers: .*policy\.yaml/]);
      await unchanged();
    });

    test(
      "of policies that contradict each other the one that refuses wins, and open connections end",
      TIMEOUT,
      async () => {
        const open = await ends.client.connected(ends.server.ip, PORT);
        save("second.yaml", policy("not-the-client", `{ ${ON_SERVER}, action: DENY, ${from("client")} }`));
        expect(await over(open)).toBe("ECONNRESET");
        await refused("client");
        await problems([]);
      },
    );

    test("policies that name what does not exist are heeded as they stand", TIMEOUT, async () => {
      save(
        "second.yaml",
        policy("for-nobody-there", `{ selector: { matchLabels: { app: nobody } }, action: DENY, rules: [{}] }`),
      );
      await eventually(async () => (await configuration()).includes("for-nobody-there"), { what: "the policy" });
      await unchanged();
      save("policy.yaml", good.replace("sa/client", "sa/nobody"));
      await refused("client");
      expect(await talks("intruder")).toBe(false);
      await problems([]);
    });

    test("a policy bound to what does not exist is reported, and changes nothing", TIMEOUT, async () => {
      const target = `targetRefs: [{ group: "", kind: Service, name: nowhere }]`;
      save("second.yaml", policy("for-a-waypoint", `{ ${target}, action: DENY, rules: [{}] }`));
      await problems([
        /\/second\.yaml:1: AuthorizationPolicy pair\/for-a-waypoint: Service pair\/nowhere was not found/,
      ]);
      await unchanged();
    });
  });
}
