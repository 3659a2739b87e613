import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Buffer } from "node:buffer";
import { beforeAll, describe, expect, test } from "vitest";
import { eventually } from "@lateen/testkit";
import { type Credentials, askForTunnel, credentials, foreignIssuer, meshIssuer } from "./support/impostor.ts";
import type { TestMesh } from "./support/test-mesh.ts";
import { type TestPod, readAll } from "./support/test-pod.ts";
import { echo } from "./support/traffic.ts";

const PORT = 7_000;
const SERVICE_PORT = 70;
const BODY = randomBytes(1_000_000);
const OWN_PORTS = [15_001, 15_006, 15_008];
const DEADLINE_MS = 15_000;

interface Ends {
  readonly client: TestPod;
  readonly server: TestPod;
  readonly stranger: TestPod;
}

/** Who asks, with what, for what, and what they get. */
type Asking = readonly [
  name: string,
  who: () => Promise<Credentials | null>,
  authority: () => string,
  answer: number | "no tunnel",
];

/** What only a whole mesh can show of its connections, with the pods of `topologies/pair`. */
export function dataPlaneSuite(mesh: () => TestMesh): void {
  describe("connections between pods on different nodes", () => {
    let ends: Ends;
    /** What the server does with its next connections, and how many it has seen. */
    let serve: (socket: Socket) => void = echo;
    let accepted = 0;

    beforeAll(async () => {
      const [client, server, stranger] = await Promise.all(
        ["client", "server", "stranger"].map((name) => mesh().pod(name)),
      );
      ends = { client: client!, server: server!, stranger: stranger! };
      await ends.server.listen(PORT, (socket) => {
        accepted += 1;
        serve(socket);
      });
    });

    const serviceIp = async (): Promise<string> =>
      (await mesh().status()).services.find((s) => s.name === "server")?.clusterIps[0] ?? "";
    describe.each([
      ["IPv4", () => [ends.server.ip, PORT]],
      ["IPv6", () => [ends.server.ipv6, PORT]],
      ["a Service", async () => [await serviceIp(), SERVICE_PORT]],
    ] as const)("by %s", (_, where) => {
      const connected = async (): Promise<Socket> => {
        const [ip, port] = (await where()) as [string, number];
        return ends.client.connected(ip, port);
      };

      test("the client may end first, and still gets every byte", async () => {
        serve = (socket) => void readAll(socket).then((all) => socket.end(all));
        const socket = await connected();
        socket.end(BODY);
        expect((await readAll(socket)).equals(BODY)).toBe(true);
      });

      test("the server may end first, and still gets every byte", async () => {
        const received = Promise.withResolvers<Buffer>();
        serve = (socket) => {
          socket.end("no more from me");
          void readAll(socket).then(received.resolve, received.reject);
        };
        const socket = await connected();
        expect((await readAll(socket)).toString()).toBe("no more from me");
        socket.end(BODY);
        expect((await received.promise).equals(BODY)).toBe(true);
      });
    });

    test.each(["client", "server"])("a reset by the %s is a reset to the other", async (who) => {
      const there = Promise.withResolvers<Socket>();
      serve = (socket) => {
        socket.write("ready");
        there.resolve(socket);
      };
      const here = await ends.client.connected(ends.server.ip, PORT);
      const far = await there.promise;
      await once(here, "data");
      const [breaks, hears] = who === "client" ? [here, far] : [far, here];
      const heard = once(hears, "error");
      hears.resume();
      breaks.resetAndDestroy();
      expect(await heard).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
    });

    test.each([
      ["from inside the pod itself, over loopback", () => [ends.client, "127.0.0.1"]],
      ["from inside the pod itself, by its address", () => [ends.client, ends.client.ip]],
      ["from another captured pod", () => [ends.client, ends.server.ip]],
      ["from a captured pod of the same node", async () => [await mesh().pod("intruder"), ends.client.ip]],
      ["from a pod outside the mesh", () => [ends.stranger, ends.server.ip]],
    ] as const)("the proxy's own ports lead nowhere %s", async (_, between) => {
      const [from, ip] = (await between()) as [TestPod, string];
      for (const port of OWN_PORTS) expect(await plainAnswer(from, ip, port), `port ${port}`).toBe("");
    });

    describe("who asks a pod's HBONE port for a tunnel", () => {
      const CLIENT = "spiffe://cluster.local/ns/pair/sa/client";
      const INTRUDER = CLIENT.replace("client", "intruder");
      const here = (): string => `${ends.server.ip}:${PORT}`;
      const ours = async (uris: readonly string[], untilMs?: number): Promise<Credentials> =>
        credentials(await meshIssuer(mesh().home), uris, untilMs);
      const foreign = async (): Promise<Credentials> => credentials(await foreignIssuer(), [CLIENT]);
      let before = 0;
      beforeAll(() => {
        serve = echo;
        before = accepted;
      });

      const rows: readonly Asking[] = [
        ["with another identity is refused", () => ours([INTRUDER]), here, 401],
        ["of a foreign authority is not even heard", foreign, here, "no tunnel"],
        ["with an expired certificate is not heard", () => ours([CLIENT], Date.now() - 1_000), here, "no tunnel"],
        ["with a mis-spelt identity is not heard", () => ours([CLIENT.replace("/sa/", "/as/")]), here, "no tunnel"],
        ["with two identities counts as the first", () => ours([INTRUDER, CLIENT]), here, 401],
        ["without a certificate is not heard", () => Promise.resolve(null), here, "no tunnel"],
        ["to the pod's own HBONE port is refused", () => ours([CLIENT]), () => `${ends.server.ip}:15008`, 503],
        ["to a pod of another node is refused", () => ours([CLIENT]), () => `${ends.client.ip}:${PORT}`, 400],
        ["with an identity that policy lets in gets it", () => ours([CLIENT]), here, 200],
      ];
      test.each(rows)("%s", async (_, who, authority, answer) => {
        const asked = { credentials: await who(), authority: authority() };
        expect(await askForTunnel(ends.stranger, ends.server, asked)).toBe(answer);
      });

      test("and nobody else reaches the server", async () => {
        await eventually(() => accepted > before, { what: "the one connection" });
        expect(accepted - before).toBe(1);
      });
    });
  });
}

/** What comes back for plain bytes; a refusal, a reset and an end without a byte are all "". */
async function plainAnswer(from: TestPod, ip: string, port: number): Promise<string> {
  const socket = from.connect(ip, port);
  socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error("neither bytes nor an end")));
  socket.write("GET / HTTP/1.0\r\n\r\n");
  try {
    return (await readAll(socket)).toString("latin1");
  } catch (e) {
    if (e instanceof Error && /ECONNREFUSED|ECONNRESET|EPIPE/.test(e.message)) return "";
    throw e;
  } finally {
    socket.destroy();
  }
}
