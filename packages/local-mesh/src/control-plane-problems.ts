import http from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { DEBUG_PORT } from "./components.ts";
import { connectIn } from "./readiness-probe.ts";

const DEADLINE_MS = 1_000;
const answer = z.array(z.looseObject({ text: z.string() }));

/**
 * What the control plane finds wrong with the objects that it was given: beside what is wrong in the files, policies that are
 * valid and yet not in force.
 * @param netns descriptor of its network namespace
 * @returns one line each; none while it does not answer, which the status tells anyway
 */
export async function controlPlaneProblems(netns: number): Promise<readonly string[]> {
  try {
    return answer.parse(JSON.parse(await get(netns, "/debug/problems"))).map((p) => p.text);
  } catch {
    return []; // see above
  }
}

function get(netns: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const createConnection = (): ReturnType<typeof connectIn> =>
      connectIn(netns, { ip: "127.0.0.1", port: DEBUG_PORT });
    const signal = AbortSignal.timeout(DEADLINE_MS);
    http
      .get({ createConnection, path, headers: { host: "127.0.0.1" }, signal }, (response) =>
        text(response).then(resolve, reject),
      )
      .on("error", reject);
  });
}
