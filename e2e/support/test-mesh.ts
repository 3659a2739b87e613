import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { type Netns, openNetns, openRtnetlink } from "@lateen/linux";
import {
  type CapturedOutput,
  type KeeperRecord,
  type MeshClient,
  type MeshFolders,
  type MeshStatus,
  type PodReport,
  type ProcessStatus,
  meshFolders,
  openMeshClient,
} from "@lateen/local-mesh";
import { eventually } from "@lateen/testkit";
import { type Ended, lateenctl, startLateenctl } from "./lateenctl.ts";
import { TestPod } from "./test-pod.ts";

/** Where a test keeps its mesh, and how commands find it. Nothing of the machine's own is used. */
export interface MeshHome extends Disposable {
  readonly root: string;
  /** A copy of the topology, which the test may edit. */
  readonly manifests: string;
  readonly folders: MeshFolders;
  readonly env: Readonly<Record<string, string>>;
}

const NAME = "e2e";

/** Makes a home with copies of folders in `e2e/topologies`. */
export function meshHome(...topologies: readonly string[]): MeshHome {
  const root = mkdtempSync(path.join(tmpdir(), "lateen-e2e-"));
  chmodSync(root, 0o711); // a workload may run as another user, and has its data below
  const manifests = path.join(root, "manifests");
  for (const name of topologies)
    cpSync(path.resolve(import.meta.dirname, "../topologies", name), manifests, { recursive: true });
  mkdirSync(path.join(root, "tmp"));
  const env = {
    PATH: `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`,
    HOME: root,
    TMPDIR: path.join(root, "tmp"),
    LATEEN_STATE_HOME: path.join(root, "state"),
  };
  const folders = meshFolders({ mesh: NAME, env, uid: 0 });
  if (!folders.ok) throw folders.error;
  return {
    root,
    manifests,
    folders: folders.value,
    env,
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** `lateenctl local COMMAND` about the mesh of this home. */
export function local(home: MeshHome, command: string, ...args: readonly string[]): Promise<Ended> {
  return lateenctl(["local", command, "--mesh", NAME, ...args], home.env);
}

/** How many nodes a mesh gets, and how it is brought up. */
export interface UpOptions {
  readonly nodes?: number;
  /** Added to the environment of each ztunnel. */
  readonly ztunnelEnv?: Readonly<Record<string, string>>;
}

/** Two data threads whatever the machine, so that what can go wrong between two is looked for everywhere. */
const THREADS = { ZTUNNEL_WORKER_THREADS: "2" };

/** A mesh brought up as a user does it: `lateenctl local up -f DIR`. Disposing of it takes it down and its folder away. */
export class TestMesh implements AsyncDisposable {
  readonly home: MeshHome;
  readonly client: MeshClient;
  readonly daemonPid: number;
  readonly keeperPid: number;
  readonly #owned = new DisposableStack();
  readonly #pods = new Map<string, TestPod>();

  private constructor(home: MeshHome, client: MeshClient) {
    this.home = home;
    this.client = client;
    const record = JSON.parse(readFileSync(path.join(home.folders.run, "keeper.json"), "utf8")) as KeeperRecord;
    this.daemonPid = record.daemonPid;
    this.keeperPid = record.keeperPid;
  }

  /** @throws Error with what the command said, when the mesh does not come up */
  static async up(topologies: readonly string[], o: UpOptions = {}): Promise<TestMesh> {
    const home = meshHome(...topologies);
    try {
      return await TestMesh.upIn(home, o);
    } catch (e) {
      await local(home, "down");
      home[Symbol.dispose]();
      throw e;
    }
  }

  /** As `up`, in a home that may have had a mesh before. The home is disposed of with the mesh. */
  static async upIn(home: MeshHome, o: UpOptions = {}): Promise<TestMesh> {
    const env = Object.entries({ ...THREADS, ...o.ztunnelEnv }).flatMap(([k, v]) => ["--ztunnel-env", `${k}=${v}`]);
    const up = await local(home, "up", "-f", home.manifests, "--nodes", String(o.nodes ?? 2), ...env);
    if (up.code !== 0) throw new Error(`The mesh did not come up:\n${up.stdout}${up.stderr}`);
    return TestMesh.of(home);
  }

  /** The mesh that runs in this home. */
  static async of(home: MeshHome): Promise<TestMesh> {
    return new TestMesh(home, await openMeshClient(home.folders));
  }

  local(command: string, ...args: readonly string[]): Promise<Ended> {
    return local(this.home, command, ...args);
  }

  status(): Promise<MeshStatus> {
    return this.client.status();
  }

  /** The pod of that name, with its network opened for this test. */
  async pod(name: string): Promise<TestPod> {
    const known = this.#pods.get(name);
    if (known !== undefined) return known;
    const report = (await this.status()).pods.find((p) => p.name === name);
    if (report === undefined) throw new Error(`The mesh has no pod ${name}`);
    const pod = this.#owned.use(new TestPod(report, this.netnsOf(report.containers[0]?.pid)));
    this.#pods.set(name, pod);
    return pod;
  }

  exec(pod: PodReport | string, argv: readonly string[], timeoutMs = 60_000): Promise<CapturedOutput> {
    const name = typeof pod === "string" ? pod : `${pod.name}.${pod.namespace}`;
    return this.client.exec({ pod: name, argv, timeoutMs });
  }

  /** As `exec`. @returns what it printed @throws Error with everything that it said, when it failed */
  async run(pod: string, ...argv: readonly string[]): Promise<string> {
    const out = await this.exec(pod, argv);
    if (out.code !== 0) throw new Error(`${argv.join(" ")}: exit ${out.code}\n${out.stdout}${out.stderr}`);
    return out.stdout;
  }

  /** Path of the network namespace of a process of the mesh, whose pid is the mesh's own. */
  netnsOf(pid: number | null | undefined): string {
    return `/proc/${this.daemonPid}/root/proc/${pid ?? 0}/ns/net`;
  }

  async nodeNetns(node: string): Promise<string> {
    const found = (await this.status()).nodes.find((n) => n.name === node);
    return this.netnsOf(found?.cni.pid);
  }

  /** Takes away what joins a node to the others, as if the cable were cut; disposing of the result mends it. */
  cutOff(node: string): Disposable {
    const port = `to-${node}`;
    const set = (up: boolean): void => {
      using bridge = this.#bridgeOf(port);
      using links = openRtnetlink(bridge.fd);
      links.setLink(port, { up });
    };
    set(false);
    return { [Symbol.dispose]: () => set(true) };
  }

  /** The daemon alone holds the bridge's namespace: no process is in it. */
  #bridgeOf(port: string): Netns {
    for (const fd of readdirSync(`/proc/${this.daemonPid}/fd`)) {
      const held = `/proc/${this.daemonPid}/fd/${fd}`;
      if (!readlinkSync(held).startsWith("net:[")) continue;
      const netns = openNetns(held);
      using links = openRtnetlink(netns.fd);
      if (links.link(port) !== null) return netns;
      netns[Symbol.dispose]();
    }
    throw new Error(`The mesh has no link ${port}`);
  }

  /** Control plane, agents and proxies by name: `controlplane`, `cni-node-1`, `ztunnel-node-1` and so on. */
  async parts(): Promise<readonly ProcessStatus[]> {
    const { controlPlane, nodes } = await this.status();
    return [controlPlane, ...nodes.flatMap((n) => [n.cni, n.ztunnel])];
  }

  /** kill -9 of a part. @returns once it was started again and the whole mesh has settled */
  kill(name: string): Promise<void> {
    return this.end(name, (part) => this.signal(part, "SIGKILL"));
  }

  /** Ends a part by other means. @param how is given it @returns as `kill` */
  async end(name: string, how: (part: ProcessStatus & { readonly pid: number }) => void): Promise<void> {
    const part = (await this.parts()).find((p) => p.name === name);
    if (part?.pid == null) throw new Error(`${name} does not run: ${JSON.stringify(part)}`);
    how({ ...part, pid: part.pid });
    await eventually(async () => ((await this.parts()).find((p) => p.name === name)?.restarts ?? 0) > part.restarts, {
      what: `${name} to be started again`,
      deadlineMs: 20_000,
    });
    await eventually(async () => (await this.client.status({ wait: "settled", timeoutMs: 1_000 })).settled, {
      what: `the mesh to settle after ${name} has ended`,
      deadlineMs: 60_000,
    });
  }

  /** Sends a signal to a process of the mesh. */
  signal(part: Pick<ProcessStatus, "name" | "pid">, signal: NodeJS.Signals): void {
    if (part.pid === null) throw new Error(`${part.name} does not run`);
    process.kill(this.#machinePid(part.pid), signal);
  }

  /** The pid by which this process knows a process of the mesh. */
  #machinePid(pid: number): number {
    const own = readlinkSync(`/proc/${this.daemonPid}/ns/pid`);
    for (const name of readdirSync("/proc").filter((n) => /^\d+$/.test(n))) {
      try {
        const inner = /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1];
        if (Number(inner) === pid && readlinkSync(`/proc/${name}/ns/pid`) === own) return Number(name);
      } catch {
        continue; // it ended meanwhile
      }
    }
    throw new Error(`No process of the mesh has pid ${pid} in it`);
  }

  /** The text of a log: of a part, or of a pod. */
  async log(of: string): Promise<string> {
    let text = "";
    for await (const chunk of await this.client.log({ of, follow: false })) text += chunk;
    return text;
  }

  /** Lets go of what this test holds of the mesh, so that nothing of it lives on because of the test. */
  letGo(): void {
    this.#owned.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.letGo();
    const down = await this.local("down");
    this.home[Symbol.dispose]();
    if (down.code !== 0) throw new Error(`The mesh did not go down:\n${down.stdout}${down.stderr}`);
  }
}

/** `lateenctl local up --foreground`, running. */
export function startForeground(home: MeshHome, o: UpOptions = {}): ReturnType<typeof startLateenctl> {
  const nodes = String(o.nodes ?? 2);
  return startLateenctl(
    ["local", "up", "--mesh", NAME, "-f", home.manifests, "--nodes", nodes, "--foreground"],
    home.env,
  );
}
