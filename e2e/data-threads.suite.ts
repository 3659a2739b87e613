import { once } from "node:events";
import type { Socket } from "node:net";
import { eventually } from "@lateen/testkit";
import { describe, expect, test } from "vitest";
import type { TestMesh } from "./support/test-mesh.ts";
import type { TestPod } from "./support/test-pod.ts";
import { echo } from "./support/traffic.ts";

const PORT = 7_300;
/** More than one data thread carries before another accepts too. */
const MANY = 140;
const MORE = 40;

interface DataThread {
  readonly accepts: boolean;
  readonly connections: number | null;
}

/** How the two data threads of each proxy share what comes, with the pods of `topologies/pair`. */
export function dataThreadsSuite(mesh: () => TestMesh): void {
  describe("the data threads of a proxy", () => {
    const threadsOf = async (node: string): Promise<readonly DataThread[]> => {
      const dump = JSON.parse(await mesh().client.ztunnelAdmin(node, "GET", "/config_dump")) as {
        readonly dataThreads: readonly DataThread[];
      };
      return dump.dataThreads;
    };
    const accepting = async (node: string): Promise<number> =>
      (await threadsOf(node)).filter(({ accepts }) => accepts).length;

    async function open(from: TestPod, to: TestPod, count: number): Promise<readonly Socket[]> {
      const sockets: Socket[] = [];
      for (let i = 0; i < count; i++) {
        const socket = await from.connected(to.ip, PORT);
        socket.write("x");
        await once(socket, "data"); // it is carried, not only in the kernel
        sockets.push(socket);
      }
      return sockets;
    }

    test(
      "one accepts while it is enough; of many connections the other has its part",
      { timeout: 120_000 },
      async () => {
        const [client, server] = await Promise.all([mesh().pod("client"), mesh().pod("server")]);
        await server.listen(PORT, echo);
        await eventually(async () => (await accepting(client.node)) === 1, { what: "one to be enough" });
        const first = await open(client, server, MANY);
        await eventually(async () => (await accepting(client.node)) === 2, { what: "the second to accept" });
        const more = await open(client, server, MORE);
        const [, second] = await threadsOf(client.node);
        expect(second?.connections).toBeGreaterThan(0);
        for (const socket of [...first, ...more]) socket.destroy();
        await eventually(async () => (await accepting(client.node)) === 1, { what: "one to be enough again" });
        for (const socket of await open(client, server, 3)) socket.destroy();
      },
    );
  });
}
