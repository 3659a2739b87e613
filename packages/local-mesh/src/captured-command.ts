import type { ChildProcess } from "node:child_process";
import type { CapturedRequest } from "./api-server.ts";
import type { CapturedOutput } from "./api-types.ts";
import { exitCode, signalGroup, spawned, startIn } from "./attach-server.ts";
import type { PodRuntime } from "./pod-runtime.ts";

const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Runs a command in a pod to its end, or to its deadline, and gives what it said.
 * @param onChild hears of its process
 * @throws MeshError when it cannot be run there
 */
export async function runCaptured(
  pod: PodRuntime,
  asked: CapturedRequest,
  onChild: (child: ChildProcess) => void,
): Promise<CapturedOutput> {
  const child = startIn(pod, asked, ["ignore", "pipe", "pipe"]);
  onChild(child);
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), asked.timeoutMs);
  try {
    await spawned(child, asked);
    const code = await exitCode(child);
    const [stdout, stderr] = await Promise.all([out, err]);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** The text of a stream, its first part only when it is long. */
async function collect(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = "";
  if (stream === null) return text;
  stream.setEncoding("utf8");
  for await (const chunk of stream as AsyncIterable<string>)
    if (text.length < MAX_OUTPUT_BYTES) text += chunk.slice(0, MAX_OUTPUT_BYTES - text.length);
  return text;
}
