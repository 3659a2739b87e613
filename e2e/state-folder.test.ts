import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, requireRoot } from "@lateen/testkit";
import { mountBind, mountTmpfs, unmount, unshareThread } from "@lateen/linux";
import { type MeshHome, TestMesh, local, meshHome } from "./support/test-mesh.ts";
import { type TestPod, readAll } from "./support/test-pod.ts";
import { echo } from "./support/traffic.ts";

const PORT = 7_000;
const DISK_BYTES = 8 * 1024 * 1024;
const TIMEOUT = { timeout: 90_000 };

const DENY_CLIENT = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: not-the-client, namespace: pair }
spec:
  selector: { matchLabels: { app: server } }
  action: DENY
  rules: [{ from: [{ source: { principals: [cluster.local/ns/pair/sa/client] } }] }]
`;

// The tests are in the order of one story: each goes on where the one before ended.
describe.skipIf(requireRoot())("a mesh whose state folder cannot be written", () => {
  let home: MeshHome;
  let disk: string;
  let mesh: TestMesh;
  let client: TestPod;
  let server: TestPod;

  beforeAll(async () => {
    unshareThread("mount"); // the disk below is this test's, and of the processes that it starts
    home = meshHome("pair");
    disk = path.join(home.root, "state");
    mkdirSync(disk);
    mountTmpfs(disk, DISK_BYTES);
    await up();
  });
  afterAll(async () => {
    mesh.letGo();
    await local(home, "down");
    unmount(disk);
    home[Symbol.dispose]();
  });

  async function up(): Promise<void> {
    mesh = await TestMesh.upIn(home);
    [client, server] = await Promise.all([mesh.pod("client"), mesh.pod("server")]);
    await server.listen(PORT, echo);
  }

  const filler = (): string => path.join(disk, "filler");
  function fill(): void {
    const fd = openSync(filler(), "w");
    try {
      for (const block of [64 * 1024, 4096, 1]) fillWith(fd, block);
    } finally {
      closeSync(fd);
    }
  }
  function fillWith(fd: number, block: number): void {
    const zeros = new Uint8Array(block);
    try {
      for (;;) writeSync(fd, zeros);
    } catch (e) {
      expect(e).toMatchObject({ code: "ENOSPC" });
    }
  }

  async function talks(): Promise<boolean> {
    const socket = client.connect(server.ip, PORT);
    try {
      socket.end("hello");
      return (await readAll(socket)).toString() === "hello";
    } catch {
      return false; // refused
    } finally {
      socket.destroy();
    }
  }

  const apply = (yaml: string): Promise<readonly string[]> => mesh.client.apply(yaml);
  const root = (): string => readFileSync(path.join(home.folders.controlPlane, "root-cert.pem"), "utf8");
  const applied = (): readonly string[] => readdirSync(home.folders.applied);

  test("a full disk: what is applied is refused with the reason, and nothing of it stays", TIMEOUT, async () => {
    fill();
    await expect(apply(DENY_CLIENT)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(
        /^Cannot apply authorizationpolicy\/not-the-client\.pair: .*no space left on device/,
      ) as unknown,
    });
    expect(applied()).toEqual([]);
    expect(await talks()).toBe(true);
  });

  test("a full disk: the mesh goes on, also over the death of a proxy, and says what is wrong", TIMEOUT, async () => {
    await mesh.kill("ztunnel-node-2");
    await eventually(talks, { what: "traffic to go on", deadlineMs: 20_000 });
    const says = async (): Promise<boolean> =>
      /problems\n(.*\n)*.*no space left on device/.test((await mesh.local("status")).stdout);
    await eventually(says, { what: "the status to say so", deadlineMs: 20_000 });
  });

  test("room again: what is wrong goes away by itself, and what is applied is in force", TIMEOUT, async () => {
    rmSync(filler());
    await eventually(async () => (await mesh.status()).problems.length === 0, {
      what: "the problems to go away",
      deadlineMs: 20_000,
    });
    expect(await apply(DENY_CLIENT)).toEqual(["authorizationpolicy/not-the-client.pair created"]);
    await eventually(async () => !(await talks()), { what: "the policy to be in force", deadlineMs: 15_000 });
  });

  test("a read-only folder: `up` says so and leaves everything as it was, for a next `up`", TIMEOUT, async () => {
    const before = { root: root(), applied: applied() };
    mesh.letGo();
    expect(await mesh.local("down")).toMatchObject({ code: 0 });
    mountBind(disk, disk, "read-only");
    const refused = await local(home, "up", "-f", home.manifests);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(
      /^Error: Cannot use state folder ".*": .*read-only file system.*; it must be writable\n$/,
    );
    expect({ root: root(), applied: applied() }).toEqual(before);
    unmount(disk);
    await up();
    expect(root()).toBe(before.root);
    expect(await talks()).toBe(false);
  });

  test("a full disk at the start: `up` says so", TIMEOUT, async () => {
    mesh.letGo();
    expect(await mesh.local("down")).toMatchObject({ code: 0 });
    fill();
    const refused = await local(home, "up", "-f", home.manifests);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(
      /^Error: Cannot use state folder ".*": .*no space left on device.*; it must be writable\n$/,
    );
  });
});
