import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, requirePrograms, requireRoot } from "@lateen/testkit";
import { mountBind, unmount, unshareThread } from "@lateen/linux";
import { REPOSITORY, ended } from "./support/lateenctl.ts";

const NOBODY = 65_534;
const TIMEOUT = { timeout: 120_000 };
const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
const FORBIDDEN = /^Error: Cannot make a user namespace: .+ as root/;

describe.skipIf(requireRoot() || requirePrograms("unshare", "setpriv"))("an ordinary user", () => {
  let root: string;
  let checkout: string;
  let home: string;

  beforeAll(() => {
    unshareThread("mount"); // what is mounted below is seen by this test and what it starts
    root = mkdtempSync(path.join(tmpdir(), "lateen-user-"));
    chmodSync(root, 0o755);
    checkout = path.join(root, "checkout");
    home = path.join(root, "home");
    mkdirSync(checkout);
    mkdirSync(home);
    chownSync(home, NOBODY, NOBODY);
    // The checkout may lie where only root can go.
    mountBind(REPOSITORY, checkout, "read-only");
  });
  afterAll(() => {
    unmount(checkout);
    rmSync(root, { recursive: true });
  });

  interface Said {
    readonly status: number | null;
    readonly stdout: string;
    readonly stderr: string;
  }
  const lateenctl = (...args: readonly string[]): readonly string[] => [
    path.join(checkout, path.relative(REPOSITORY, process.execPath)),
    "--conditions=lateen:source",
    path.join(checkout, "apps/cli/src/main.ts"),
    ...args,
  ];
  function asUser(...command: readonly string[]): Said {
    const [file = "", ...args] = command;
    return spawnSync(file, args, {
      cwd: home,
      env: { PATH: SYSTEM_PATH, HOME: home, TMPDIR: home },
      encoding: "utf8",
      timeout: TIMEOUT.timeout,
      uid: NOBODY,
      gid: NOBODY,
    });
  }

  // Whether this kernel lets ordinary users make namespaces is its administrator's choice; either answer is put to the test.
  const may =
    spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"], { uid: NOBODY, gid: NOBODY }).status === 0;

  test("runs the whole demo and leaves nothing, or is told what forbids it", TIMEOUT, () => {
    const done = asUser(...lateenctl("demo"));
    if (!may)
      return void expect(done).toMatchObject({ status: 1, stderr: expect.stringMatching(FORBIDDEN) as unknown });
    expect(done.stderr).toBe("");
    expect(done.stdout).toMatch(/\n(\d+) of \1 hold; everything is taken down again/);
    expect(done.status).toBe(0);
    expect(readdirSync(home)).toEqual([]);
  });

  test("brings a mesh up, runs a command as a pod in it, and takes it down", TIMEOUT, () => {
    const topology = path.join(checkout, "e2e/topologies/single");
    const up = asUser(...lateenctl("local", "up", "-f", topology, "--nodes", "1"));
    if (!may) return void expect(up).toMatchObject({ status: 1, stderr: expect.stringMatching(FORBIDDEN) as unknown });
    expect(up).toMatchObject({ status: 0, stderr: "" });
    const ran = asUser(...lateenctl("local", "run", "--as", "inside/default", "--", "cat", "/etc/hosts"));
    const ownLine = expect.stringMatching(/^10\.244\.1\.\d+\trun-/m) as unknown;
    expect(ran).toMatchObject({ status: 0, stderr: "", stdout: ownLine });
    expect(asUser(...lateenctl("local", "down"))).toMatchObject({ status: 0, stderr: "" });
  });

  test("where the kernel forbids it, is told which setting does", TIMEOUT, async () => {
    // The limit is one of each user namespace: this one's is set to 0, so that nobody in it can make another.
    // What is executed once the users are mapped has the powers of its root; what was before has lost them.
    const inside = `read go; sh -c 'echo 0 >/proc/sys/user/max_user_namespaces' || exit 99
      exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups "$@"`;
    const child = spawn("unshare", ["--user", "sh", "-c", inside, "sh", ...lateenctl("demo")], {
      cwd: home,
      env: { PATH: SYSTEM_PATH, HOME: home },
      stdio: "pipe",
    });
    const said = ended(child);
    const own = readlinkSync("/proc/self/ns/user");
    await eventually(() => readlinkSync(`/proc/${child.pid}/ns/user`) !== own, { what: "the user namespace" });
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${child.pid}/${map}`, "0 0 65536\n");
    child.stdin.end("go\n");
    expect(await said).toMatchObject({
      code: 1,
      stdout: "",
      stderr:
        "Error: Cannot make a user namespace: user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=10000\n",
    });
  });
});
