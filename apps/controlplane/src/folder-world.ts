import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { localTokenVerifier, openAuthority, replaceFile, watchKeyFolder } from "@lateen/ca";
import { Code, MeshError } from "@lateen/errors";
import { systemClock } from "@lateen/lifecycle";
import type { Logging } from "@lateen/telemetry";
import { authorityLimits } from "./authority-limits.ts";
import type { Config } from "./config.ts";
import { folderSource } from "./folder-source.ts";
import { LastGood } from "./last-good.ts";
import type { World } from "./world.ts";

/**
 * A mesh on one machine: folders of YAML, keys in a folder, tokens of a local key.
 * @throws MeshError when the state folder or the key file cannot be used
 */
export async function folderWorld(config: Config, logging: Logging): Promise<World> {
  const log = logging.logger("ca");
  const keys = join(config.STATE_DIR, "ca");
  const authority = await openAuthority({ keys, trustDomain: config.TRUST_DOMAIN, ...authorityLimits(config) });
  for (const problem of authority.problems) log.warn(problem);
  const publish = (): Promise<void> => publishRoots(join(config.STATE_DIR, "root-cert.pem"), authority.rootsPem);
  await publish();
  const lastGood = new LastGood(join(config.STATE_DIR, "last-good.json"), logging.logger("config"));
  return {
    authority,
    watchKeys: (changed) => watchKeyFolder({ path: keys, clock: systemClock, changed }),
    publishRoots: publish,
    rotation: {
      leads: () => true,
      settleMs: config.LATEEN_CA_ROTATION_SETTLE,
      publish: () => undefined,
      others: () => [],
    },
    trustDomain: config.TRUST_DOMAIN,
    trustDomainAliases: [],
    verifyToken: localTokenVerifier({
      publicKeyPem: readTokenKey(config.TOKEN_KEY_FILE),
      audience: config.TOKEN_AUDIENCE,
      nowMs: Date.now,
    }),
    openSource: (onNews, signal) =>
      folderSource({
        ...{ dirs: config.CONFIG_DIRS, lastGood, onNews, signal },
        unreadable: config.LATEEN_UNREADABLE_POLICY,
      }),
    startWriters: () => Promise.resolve({ heard: () => undefined, [Symbol.asyncDispose]: () => Promise.resolve() }),
    describe: () => ({ source: "folder", folders: config.CONFIG_DIRS }),
    [Symbol.asyncDispose]: () => lastGood[Symbol.asyncDispose](),
  };
}

/** Where the proxies look for them. */
async function publishRoots(path: string, rootsPem: string): Promise<void> {
  const published = await readFile(path, "utf8").catch(() => null); // none yet, or unreadable: then writing says why
  if (published !== rootsPem) await replaceFile(path, rootsPem, 0o644);
}

/** @throws MeshError BAD_INPUT when the key file cannot be read */
function readTokenKey(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new MeshError(Code.BadInput, `Cannot read the key of callers' tokens: ${file}: ${String(cause)}`, {}, cause);
  }
}
