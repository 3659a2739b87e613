import http from "node:http";
import { text } from "node:stream/consumers";
import { Code, MeshError, httpStatus } from "@lateen/errors";
import { z } from "zod";
import { DEBUG_PORT } from "./components.ts";
import { connectIn } from "./readiness-probe.ts";

const DEADLINE_MS = 1_000;
/** What is written to disk may take longer than what is only told. */
const STEP_DEADLINE_MS = 30_000;
const answer = z.array(z.looseObject({ text: z.string() }));

/**
 * What the control plane finds wrong with the objects that it was given: beside what is wrong in the files, policies that are
 * valid and yet not in force.
 * @param netns descriptor of its network namespace
 * @returns one line each; none while it does not answer, which the status tells anyway
 */
export async function controlPlaneProblems(netns: number): Promise<readonly string[]> {
  try {
    return answer.parse(JSON.parse(await askControlPlane(netns, "GET", "/debug/problems"))).map((p) => p.text);
  } catch {
    return []; // see above
  }
}

/**
 * Asks the control plane's debug port.
 * @param netns descriptor of its network namespace
 * @throws MeshError with its own words when it refuses, UNAVAILABLE when it does not answer
 */
export function askControlPlane(netns: number, method: "GET" | "POST", path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const createConnection = (): ReturnType<typeof connectIn> =>
      connectIn(netns, { ip: "127.0.0.1", port: DEBUG_PORT });
    const signal = AbortSignal.timeout(method === "GET" ? DEADLINE_MS : STEP_DEADLINE_MS);
    const request = http.request(
      { createConnection, method, path, headers: { host: "127.0.0.1" }, signal },
      (answer_) => {
        const status = answer_.statusCode ?? 500;
        const done = (body: string): void => (status < 300 ? resolve(body) : reject(refusal(status, body)));
        text(answer_).then(done, reject);
      },
    );
    request.on("error", (e) =>
      reject(new MeshError(Code.Unavailable, `Cannot ask the control plane: ${e.message}`, {}, e)),
    );
    request.end();
  });
}

function refusal(status: number, body: string): MeshError {
  const code = Object.values(Code).find((c) => httpStatus[c] === status) ?? Code.Unavailable;
  return new MeshError(code, body.trim() || `The control plane answered ${status}`);
}
