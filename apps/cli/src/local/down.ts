import { Code, MeshError } from "@lateen/errors";
import { sleep } from "@lateen/lifecycle";
import { isMeshKept, openMeshClient, removeRunFolder, signalKeeper, type MeshFolders } from "@lateen/local-mesh";
import { type Command, EXIT } from "../command.ts";
import { foldersOf, meshFlag } from "./mesh-access.ts";

export const down: Command = {
  name: "down",
  summary: "take a mesh down: its processes, namespaces and sockets",
  positionals: [0, 0],
  flags: { mesh: meshFlag },
  async run(given, terminal) {
    const folders = foldersOf(given, terminal);
    if (!(await isMeshKept(folders))) {
      removeRunFolder(folders);
      terminal.stdout.write(`mesh ${folders.mesh} is not running\n`);
      return EXIT.ok;
    }
    await takeDown(folders);
    terminal.stdout.write(`mesh ${folders.mesh} is down\n`);
    return EXIT.ok;
  },
};

const DEADLINE_MS = 30_000;
const ANSWER_MS = 5_000;

/** By its API; a daemon that does not answer (it is just starting, or hangs) is ended by its keeper. */
async function askDown(folders: MeshFolders): Promise<void> {
  try {
    await (await openMeshClient(folders, AbortSignal.timeout(ANSWER_MS))).down();
  } catch (e) {
    if (!signalKeeper(folders, "SIGTERM")) throw e;
  }
}

/** @returns once nothing of the mesh is left */
export async function takeDown(folders: MeshFolders): Promise<void> {
  await askDown(folders);
  const endMs = performance.now() + DEADLINE_MS;
  while (await isMeshKept(folders)) {
    if (performance.now() > endMs)
      throw new MeshError(Code.Timeout, `Cannot take mesh "${folders.mesh}" down: it still runs after 30 s`);
    await sleep(20);
  }
}
