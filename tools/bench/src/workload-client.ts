import { spawn } from "node:child_process";
import { argv, exit, stderr, stdin, stdout } from "node:process";
import { text } from "node:stream/consumers";

// `workload-client.ts pgbench|redis HOST PORT`: runs a benchmark of a database again and again, until its input has ended and the
// round that runs has too. Says one line once it runs, and how it went as JSON at the end.

const [what, host = "", port = ""] = argv.slice(2);
/** So long are the connections of a round open. */
const ROUND_SEC = 12;
const PGBENCH = ["-h", host, "-p", port, "-U", "postgres"];
const TIMEOUT_MS = 120_000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
}

async function run(command: string, args: readonly string[]): Promise<Ran> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
  const ended = new Promise<number | null>((resolve) => {
    child.on("close", resolve);
    child.on("error", () => resolve(-1));
  });
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out: out + err };
}

/** One round. @returns what was done and why it was not well, null when it was */
async function round(): Promise<{ readonly done: number; readonly problem: string | null }> {
  if (what === "pgbench") {
    const args = [...PGBENCH, "-n", "-c", "8", "-j", "1", "-R", "60", "-T", String(ROUND_SEC), "postgres"];
    const { code, out } = await run("pgbench", args);
    const failed = /number of failed transactions: (\d+)/.exec(out)?.[1];
    const done = Number(/number of transactions actually processed: (\d+)/.exec(out)?.[1] ?? 0);
    const well = code === 0 && failed === "0" && !/error|aborted/i.test(out);
    return { done, problem: well ? null : out.trim().slice(-500) };
  }
  // It sends as fast as it is answered, so it gets what the others leave of the processor.
  const requests = 20_000;
  const common = ["-h", host, "-p", port, "-c", "8", "-n", String(requests), "-t", "set,get,incr", "--csv"];
  const { code, out } = await run("nice", ["-n", "19", "redis-benchmark", ...common]);
  const done = [...out.matchAll(/^"(?:SET|GET|INCR)","\d/gm)].length;
  const well = code === 0 && done === 3 && !/error|closed/i.test(out);
  return { done: done * requests, problem: well ? null : out.trim().slice(-500) };
}

let stopped = false;
stdin.resume().once("end", () => (stopped = true));

/** The database may still be starting. */
async function prepare(): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const made =
      what === "pgbench"
        ? await run("pgbench", [...PGBENCH, "-q", "-i", "-s", "8", "postgres"])
        : await run("redis-benchmark", ["-h", host, "-p", port, "-c", "1", "-n", "1", "-t", "ping"]);
    if (made.code === 0) return;
    if (performance.now() < deadline) continue;
    stderr.write(`${made.out}\n`);
    exit(1);
  }
}

await prepare();
stdout.write("running\n");
let [rounds, done] = [0, 0];
const problems: string[] = [];
while (!stopped || rounds === 0) {
  const result = await round();
  rounds += 1;
  done += result.done;
  if (result.problem !== null) problems.push(result.problem);
}
stdout.write(`${JSON.stringify({ what, rounds, done, problems })}\n`, () => exit(0));
