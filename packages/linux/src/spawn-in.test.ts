import { Buffer } from "node:buffer";
import { type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { requirePrograms, requireRoot } from "@lateen/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createNetns, currentNetns } from "./namespaces.ts";
import { holdProcess } from "./processes.ts";
import { type NamespaceOptions, spawnIn, withNamespaces } from "./spawn-in.ts";

const kinds = ["net", "mnt", "pid_for_children", "ipc", "uts"] as const;
const here = (): Record<string, string> =>
  Object.fromEntries([...kinds.map((n) => [n, fs.readlinkSync(`/proc/thread-self/ns/${n}`)]), ["cwd", process.cwd()]]);

async function output(child: ChildProcess): Promise<string> {
  const chunks = (await child.stdout!.toArray()) as Buffer[];
  return Buffer.concat(chunks).toString();
}
const piped: SpawnOptions = { stdio: ["ignore", "pipe", "inherit"] };

describe.skipIf(requireRoot())("processes in other namespaces", () => {
  let folder: string;
  beforeAll(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), "spawn-in-"))));
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    fs.writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const shell = (where: NamespaceOptions, script: string): Promise<string> =>
    output(spawnIn(where, "/bin/sh", ["-c", script], piped));

  test("a child is in the network namespace, this thread stays home", async () => {
    using pod = createNetns();
    const before = here();
    const child = shell({ netns: pod.fd }, "readlink /proc/self/ns/net");
    expect(here()).toEqual(before);
    expect(await child).toBe(`net:[${pod.id.split(":")[1]}]\n`);
  });

  test("a child sees files of its own; this process and the machine do not", async () => {
    const hosts = file("hosts", "192.0.2.1 mine\n");
    const before = [here(), fs.readFileSync("/etc/hosts", "utf8"), fs.readFileSync("/proc/self/mountinfo", "utf8")];
    const where: NamespaceOptions = { mounts: [{ t: "bind", source: hosts, target: "/etc/hosts", readOnly: true }] };
    const child = shell(where, "cat /etc/hosts; echo more >> /etc/hosts; pwd");
    expect([here(), fs.readFileSync("/etc/hosts", "utf8"), fs.readFileSync("/proc/self/mountinfo", "utf8")]).toEqual(
      before,
    );
    expect(await child).toBe(`192.0.2.1 mine\n${process.cwd()}\n`);
    expect(fs.readFileSync(hosts, "utf8")).toBe("192.0.2.1 mine\n");
  });

  test("what is written in place appears to a running child", async () => {
    const hosts = file("live", "old\n");
    const where: NamespaceOptions = { mounts: [{ t: "bind", source: hosts, target: "/etc/hosts", readOnly: true }] };
    const child = spawnIn(where, "/bin/sh", ["-c", "read go; cat /etc/hosts"], { stdio: ["pipe", "pipe", "inherit"] });
    fs.writeFileSync(hosts, "new\n");
    child.stdin!.end("go\n");
    expect(await output(child)).toBe("new\n");
  });

  test("memory folders are the child's own and bounded", async () => {
    const target = path.join(folder, "tmp");
    fs.mkdirSync(target);
    const where: NamespaceOptions = { mounts: [{ t: "tmpfs", target, maxBytes: 8192 }] };
    const out = await shell(where, `head -c 100000 /dev/zero > ${target}/big 2>/dev/null; wc -c < ${target}/big`);
    expect(Number(out)).toBeLessThanOrEqual(8192);
    expect(fs.readdirSync(target)).toEqual([]);
  });

  test("a mount that cannot be made changes nothing", () => {
    const before = here();
    const where: NamespaceOptions = {
      mounts: [{ t: "bind", source: "/no/such", target: "/etc/hosts", readOnly: true }],
    };
    expect(() => withNamespaces(where, () => 1)).toThrow("mount failed with ENOENT");
    expect(here()).toEqual(before);
  });

  test("everything in a PID namespace ends with its first process", async () => {
    const index = JSON.stringify(fileURLToPath(new URL("./index.ts", import.meta.url)));
    const code = `
      import { mountProc } from ${index};
      import { spawn } from "node:child_process";
      mountProc();
      const child = spawn("/bin/sleep", ["1000"], { stdio: ["ignore", "inherit", "inherit"] });
      console.log(process.pid + " " + child.pid);
    `;
    const before = here();
    const args = ["--conditions=lateen:source", "--input-type=module", "-e", code];
    const child = spawnIn({ pid: "new", mounts: [] }, process.execPath, args, piped);
    expect(here()).toEqual(before);
    const [line] = (await once(child.stdout!, "data", { signal: AbortSignal.timeout(10_000) })) as [Buffer];
    expect(line.toString()).toMatch(/^1 \d+\n$/);
    const ended = once(child.stdout!, "end", { signal: AbortSignal.timeout(10_000) });
    child.stdout!.resume();
    child.kill("SIGKILL");
    await ended; // `sleep` held the pipe too, so its end shows that it is gone
  });

  test("ipc and uts namespaces are new for the child only", async () => {
    const before = here();
    const out = (await shell({ ipc: "new", uts: "new" }, "readlink /proc/self/ns/ipc /proc/self/ns/uts"))
      .trim()
      .split("\n");
    expect(here()).toEqual(before);
    expect(out[0]).not.toBe(before["ipc"]);
    expect(out[1]).not.toBe(before["uts"]);
  });

  test("an exception inside takes the thread home", () => {
    using pod = createNetns();
    const before = here();
    expect(() => withNamespaces({ netns: pod.fd, mounts: [] }, () => expect.fail("inside"))).toThrow("inside");
    expect(here()).toEqual(before);
    using own = currentNetns();
    expect(own.id).not.toBe(pod.id);
  });

  test("a program that does not exist comes as the child's error, as with spawn", async () => {
    using pod = createNetns();
    const [error] = (await once(spawnIn({ netns: pod.fd }, "/no/such/program", [], {}), "error")) as [Error];
    expect(error.message).toContain("ENOENT");
  });

  test("a process can be held: its end is told, also to one who asks late", async () => {
    const child = spawnIn({}, "/bin/sleep", ["1000"], { stdio: "ignore" });
    const exited = once(child, "exit");
    using held = holdProcess(child.pid!);
    const ended = new Promise<void>((resolve) => held.onEnd(resolve));
    held.signal(9);
    await ended;
    await exited;
    await new Promise<void>((resolve) => held.onEnd(resolve));
    expect(() => held.signal(9)).toThrow("ESRCH");
    expect(() => holdProcess(2 ** 22 + 1)).toThrow("ESRCH");
  });
});

describe.skipIf(requireRoot() || requirePrograms("unshare"))("in a user namespace", () => {
  const index = JSON.stringify(fileURLToPath(new URL("./index.ts", import.meta.url)));
  const inside = (flags: readonly string[], code: string): Promise<string> => {
    const node = [process.execPath, "--conditions=lateen:source", "--input-type=module", "-e", code];
    return output(spawnIn({}, "unshare", ["--user", "--map-root-user", ...flags, "--", ...node], piped));
  };

  test("the same code works", async () => {
    const code = `
      import { createNetns, listeningSockets, openRtnetlink, spawnIn } from ${index};
      using pod = createNetns();
      using route = openRtnetlink(pod.fd);
      route.setLink("lo", { up: true });
      const mounts = [{ t: "bind", source: "/dev/null", target: "/etc/hosts", readOnly: true }];
      spawnIn({ netns: pod.fd, pid: "new", mounts }, "/bin/sh", ["-c", "wc -c < /etc/hosts; echo $$"], { stdio: "inherit" });
      console.log(listeningSockets(pod.fd).length);
    `;
    const lines = (await inside(["--mount", "--net", "--pid", "--fork", "--mount-proc"], code)).trim().split("\n");
    expect(lines.toSorted()).toEqual(["0", "0", "1"]);
  });

  test("leaving a namespace to which there is no way back is refused, not begun", async () => {
    const code = `
      import { createNetns } from ${index};
      try { createNetns(); } catch (e) { console.log(e.code, e.facts.errno); }
    `;
    expect(await inside([], code)).toBe("DENIED EPERM\n");
  });
});
