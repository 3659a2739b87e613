import fs from "node:fs";
import { generateTokenKey, signLocalToken } from "@lateen/ca";
import { tokenFile, tokenKeyFile } from "./components.ts";
import type { MeshFolders } from "./mesh-folders.ts";
import { SYSTEM_NAMESPACE, ztunnelName } from "./observed-objects.ts";
import type { NodePlan } from "./topology.ts";

/** As Kubernetes projects them: valid for twelve hours, written anew when four fifths are over. */
const TTL_SEC = 43_200;
const REFRESH_MS = TTL_SEC * 800;

/**
 * Keeps a token for each node's ztunnel in the mesh's folder. Its key lives as long as the mesh: nobody else has it.
 * @param uids of the ztunnel pods, by node
 */
export function keepNodeTokens(
  folders: MeshFolders,
  nodes: readonly NodePlan[],
  uids: ReadonlyMap<string, string>,
): Disposable {
  const key = generateTokenKey();
  replaceFile(tokenKeyFile(folders), key.publicKeyPem);
  const write = (): void => {
    for (const node of nodes) {
      const pod = { name: ztunnelName(node), uid: uids.get(node.name) ?? "" };
      const token = signLocalToken(
        { namespace: SYSTEM_NAMESPACE, serviceAccount: "ztunnel", pod, node: node.name },
        {
          privateKeyPem: key.privateKeyPem,
          issuer: "lateen-local",
          audiences: ["istio-ca"],
          nowMs: Date.now(),
          ttlSec: TTL_SEC,
        },
      );
      replaceFile(tokenFile(folders, node), token);
    }
  };
  write();
  const timer = setInterval(write, REFRESH_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function replaceFile(file: string, text: string): void {
  fs.writeFileSync(`${file}.tmp`, text, { mode: 0o600 });
  fs.renameSync(`${file}.tmp`, file);
}
