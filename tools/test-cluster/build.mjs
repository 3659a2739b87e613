// Builds etcd and kube-apiserver for tests, from Go modules, unless it was done before. Plain JavaScript for any Node ≥ 20 with
// nothing installed; one line when it does something, none when there is nothing to do.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { programPath, sources } from "./program.mjs";

/** Go says by its module file which release it needs; this is what it must be able to run at least. */
const GO_FOLDERS = ["", "/usr/local/go/bin/", "/usr/lib/go/bin/"];

function findGo() {
  for (const folder of GO_FOLDERS)
    if (spawnSync(`${folder}go`, ["version"], { stdio: "ignore" }).status === 0) return `${folder}go`;
  return null;
}

function kubernetesVersion() {
  const found = /^\tk8s\.io\/kubernetes (v1\.(\d+)\.\d+)$/m.exec(readFileSync(path.join(sources, "go.mod"), "utf8"));
  if (found === null) throw new Error("Cannot build the test cluster: its go.mod names no k8s.io/kubernetes");
  return { version: found[1], minor: found[2] };
}

function build(go, program) {
  const { version, minor } = kubernetesVersion();
  const at = "k8s.io/component-base/version";
  const flags = `-s -w -X ${at}.gitVersion=${version} -X ${at}.gitMajor=1 -X ${at}.gitMinor=${minor}`;
  const fresh = `${program}.${process.pid}`;
  // `nice`: a build of some minutes must not slow down whoever works beside it.
  const command = [
    "nice",
    "-n",
    "19",
    go,
    "build",
    "-trimpath",
    "-buildvcs=false",
    "-ldflags",
    flags,
    "-o",
    fresh,
    ".",
  ];
  const built = spawnSync(command[0], command.slice(1), {
    cwd: sources,
    encoding: "utf8",
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (built.status !== 0) {
    rmSync(fresh, { force: true });
    throw new Error(`${built.stderr ?? ""}${built.error ?? ""}\nCannot build the test cluster: go build failed`);
  }
  renameSync(fresh, program);
}

const program = programPath();
if (!existsSync(program)) {
  const go = findGo();
  if (go === null) {
    console.error("Cannot build the test cluster: there is no Go. Install Go 1.21 or newer, then try again.");
    process.exit(1);
  }
  mkdirSync(path.dirname(program), { recursive: true });
  console.log("test cluster: building etcd and kube-apiserver, some minutes the first time");
  const begun = performance.now();
  try {
    build(go, program);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
  console.log(`test cluster: built in ${Math.round((performance.now() - begun) / 1_000)} s`);
}
