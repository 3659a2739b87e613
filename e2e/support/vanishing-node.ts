import { once } from "node:events";
import { eventually } from "@lateen/testkit";
import type { TestMesh } from "./test-mesh.ts";
import { over, readAll } from "./test-pod.ts";
import { echo } from "./traffic.ts";

const PORT = 7_000;

/** How connections to a node ended that vanished, and what a connection gave once it was back. */
export interface Vanished {
  readonly open: string;
  readonly fresh: string;
  readonly afterwards: string;
}

/**
 * Cuts off the node of pod `far` under an open connection of pod `client`, opens another one, and waits for the end of both: it is
 * the mesh that bounds them, since neither end says or hears anything. Then mends the link.
 */
export async function vanishingNode(mesh: TestMesh): Promise<Vanished> {
  const [client, far] = await Promise.all([mesh.pod("client"), mesh.pod("far")]);
  await far.listen(PORT, echo);
  const open = await client.connected(far.ip, PORT);
  open.write("are you there");
  await once(open, "data");
  const ends = await whileCutOff();
  const afterwards = await eventually(
    async () => {
      const socket = await client.connected(far.ip, PORT);
      socket.end("here again");
      return (await readAll(socket)).toString();
    },
    { what: "connections to work again", deadlineMs: 30_000 },
  );
  return { ...ends, afterwards };

  async function whileCutOff(): Promise<Omit<Vanished, "afterwards">> {
    using _cut = mesh.cutOff(far.node);
    const [openEnd, freshEnd] = await Promise.all([over(open), over(client.connect(far.ip, PORT))]);
    return { open: openEnd, fresh: freshEnd };
  }
}
