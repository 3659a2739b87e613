import type { Buffer } from "node:buffer";
import { once } from "node:events";
import http from "node:http";
import { buffer } from "node:stream/consumers";
import { Code, MeshError } from "@lateen/errors";
import { sleep } from "@lateen/lifecycle";
import type { AdminReply } from "./api-server.ts";
import type { ZtunnelUpgrade } from "./api-types.ts";
import { connectIn } from "./readiness-probe.ts";
import type { SupervisedProcess } from "./supervised-process.ts";

/** For a successor to start, learn the model and take over, and for the old one to drain what stayed with it. */
const UPGRADE_DEADLINE_MS = 60_000;
const ADMIN_RETRY_MS = 50;
const ADMIN_ATTEMPTS = 40;
const ADMIN_PORT = 15_000;

/** Where the ztunnel of one node is. */
export interface ZtunnelPlace {
  /** The node's name. */
  readonly node: string;
  /** Descriptor of its network namespace. */
  readonly netns: number;
}

/**
 * Asks the admin port of a ztunnel.
 * @throws MeshError UNAVAILABLE when it does not answer
 */
export async function askZtunnel(at: ZtunnelPlace, method: "GET" | "POST", where: string): Promise<AdminReply> {
  const request = http.request({
    createConnection: () => connectIn(at.netns, { ip: "127.0.0.1", port: ADMIN_PORT }),
    method,
    path: where,
    headers: { host: "localhost" },
    timeout: 5_000,
  });
  request.on("timeout", () => request.destroy(new Error("no answer within 5 s")));
  request.end();
  try {
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    const body: Buffer = await buffer(response);
    return { status: response.statusCode ?? 500, type: response.headers["content-type"] ?? "text/plain", body };
  } catch (e) {
    const why = e instanceof Error ? e.message : String(e);
    throw new MeshError(Code.Unavailable, `Cannot ask ztunnel of ${at.node}: ${why}`, {}, e);
  }
}

/**
 * A second ztunnel starts beside the running one and takes over from it; what became of it, that one says.
 * @throws MeshError UNAVAILABLE when the old one goes on
 */
export async function upgradeZtunnel(at: ZtunnelPlace, running: SupervisedProcess): Promise<ZtunnelUpgrade> {
  const startedMs = performance.now();
  const problem = await running.replace(UPGRADE_DEADLINE_MS);
  const tookMs = performance.now() - startedMs;
  if (problem !== null)
    throw new MeshError(Code.Unavailable, `Cannot upgrade ztunnel of "${at.node}": ${problem}; the old one goes on`);
  return { node: at.node, tookMs, handedOver: await handedOver(at) };
}

/** The successor opens its admin port when the old one lets go of it, a moment before or after that ends. */
async function handedOver(at: ZtunnelPlace): Promise<ZtunnelUpgrade["handedOver"]> {
  for (let left = ADMIN_ATTEMPTS; ; left--) {
    try {
      const { body } = await askZtunnel(at, "GET", "/handover");
      return JSON.parse(body.toString("utf8")) as ZtunnelUpgrade["handedOver"];
    } catch (e) {
      if (left === 0) throw e;
      await sleep(ADMIN_RETRY_MS);
    }
  }
}
