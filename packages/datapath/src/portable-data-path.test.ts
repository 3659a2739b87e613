import { testCredentials } from "@lateen/certificates/test-credentials";
import { MeshError, type Result } from "@lateen/errors";
import { type HboneStream, hboneClient, hboneServer } from "@lateen/hbone";
import { describe, expect, test } from "vitest";
import type { SocketFactory } from "./port.ts";
import type { SocketStream } from "./streams.ts";
import { portableDataPath } from "./portable-data-path.ts";
import { type Tunnel, dataPathStreamSuite, dataPathSuite } from "./suite.ts";

const credentials = await testCredentials(Date.now());
const path = portableDataPath();
const SOCKET = { netns: null, mark: 0, keepAlive: null } as const;
const LISTEN = {
  ...SOCKET,
  address: { ip: "127.0.0.1", port: 0 },
  dualStack: false,
  reusePort: false,
  transparent: "off",
  backlog: 64,
} as const;

const tunnel: Tunnel = async (on, a, b) => {
  const options = { trust: "authenticated", nowMs: on.nowMs(), defer: (run: () => void) => on.defer(run) } as const;
  const accepted = Promise.withResolvers<HboneStream>();
  hboneServer(b, options, (request) => accepted.resolve(request.accept([])));
  const near = await new Promise<Result<HboneStream>>((resolve) => {
    hboneClient(a, options).connect({ authority: "10.0.0.1:80", headers: [] }, resolve);
  });
  if (!near.ok) throw near.error;
  return [near.value, await accepted.promise];
};

const open = () => ({ path: portableDataPath(), credentials, close() {} });
dataPathSuite({ describe, test }, "portable", open);
dataPathStreamSuite({ describe, test }, "portable", open, tunnel);

describe("with a socket factory", () => {
  const broken = (why: string): SocketFactory => ({
    listener: () => {
      throw new MeshError("UNAVAILABLE", why);
    },
    client: () => {
      throw new MeshError("UNAVAILABLE", why);
    },
    originalDestination: () => null,
  });

  test("its errors come out as they are", async () => {
    const made = portableDataPath({ sockets: broken("namespace is gone") });
    expect(() => made.listen(LISTEN, () => {})).toThrow("namespace is gone");
    const result = await new Promise<Result<SocketStream>>((resolve) => {
      made.connect({ ...SOCKET, to: { ip: "127.0.0.1", port: 1 }, from: null, timeoutMs: 1000 }, resolve);
    });
    expect(result.ok ? "" : result.error.message).toBe("namespace is gone");
  });

  test("a descriptor that is no socket is an error, not a crash", async () => {
    const made = portableDataPath({
      sockets: { ...broken(""), client: () => 1_000_000, listener: () => ({ fd: 1_000_000, transparent: false }) },
    });
    const result = await new Promise<Result<SocketStream>>((resolve) => {
      made.connect({ ...SOCKET, to: { ip: "127.0.0.1", port: 1 }, from: null, timeoutMs: 1000 }, resolve);
    });
    expect(result.ok ? "" : result.error.message).toMatch(/^Cannot connect to 127\.0\.0\.1:1: /);
    expect(() => made.listen(LISTEN, () => {})).toThrow(/^Cannot listen on 127\.0\.0\.1:0/);
  });

  test("IP_TRANSPARENT cannot be had without one", () => {
    expect(() => path.listen({ ...LISTEN, transparent: "required" }, () => {})).toThrow(
      "IP_TRANSPARENT needs a socket factory",
    );
    const listener = path.listen({ ...LISTEN, transparent: "best-effort" }, () => {});
    expect(listener.transparent).toBe(false);
    listener.close();
  });
});
