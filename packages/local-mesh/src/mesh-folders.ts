import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";

/** Where a mesh keeps what outlives it (`state`) and what must not (`run`). */
export interface MeshFolders {
  readonly mesh: string;
  readonly state: string;
  /** Sockets and hosts files; gone when the mesh is down. */
  readonly run: string;
  /** Objects given by `local apply`, one file each. */
  readonly applied: string;
  /** What the mesh adds to its user's objects: addresses, placement, status. */
  readonly observed: string;
  readonly logs: string;
  readonly controlPlane: string;
  readonly tokens: string;
  /** The socket on which the daemon answers requests. */
  readonly apiSocket: string;
  /** The socket over which descriptors pass. */
  readonly attachSocket: string;
  readonly daemonLog: string;
}

const MESH_NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
/** `sun_path` holds 107 characters and an end. */
const MAX_SOCKET_PATH = 107;

/**
 * The folders of a mesh. Nothing is made.
 * @param env `XDG_STATE_HOME` and `LATEEN_STATE_HOME` are read; the latter, for tests and several installations, goes first
 */
export function meshFolders(o: {
  readonly mesh: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
}): Result<MeshFolders> {
  if (!MESH_NAME.test(o.mesh))
    return fail(
      new MeshError(Code.BadInput, `Cannot use mesh name ${JSON.stringify(o.mesh)}: need up to 32 of a-z, 0-9 and -`),
    );
  const state = path.join(stateHome(o), o.mesh);
  const run = path.join(state, "run");
  const longest = path.join(run, "node-16", "ztunnel.sock");
  if (longest.length > MAX_SOCKET_PATH)
    return fail(
      new MeshError(
        Code.BadInput,
        `Cannot use state folder "${state}": sockets in it would have paths of ${longest.length} characters, at most ${MAX_SOCKET_PATH} work; set XDG_STATE_HOME to a shorter one`,
      ),
    );
  return ok({
    mesh: o.mesh,
    state,
    run,
    applied: path.join(state, "applied"),
    observed: path.join(state, "observed"),
    logs: path.join(state, "logs"),
    controlPlane: path.join(state, "control-plane"),
    tokens: path.join(state, "tokens"),
    apiSocket: path.join(run, "api.sock"),
    attachSocket: path.join(run, "attach.sock"),
    daemonLog: path.join(state, "daemon.log"),
  });
}

function stateHome(o: { readonly env: Readonly<Record<string, string | undefined>>; readonly uid: number }): string {
  const own = o.env["LATEEN_STATE_HOME"];
  if (own !== undefined && own !== "") return path.resolve(own);
  if (o.uid === 0) return "/var/lib/lateen";
  const xdg = o.env["XDG_STATE_HOME"];
  const base =
    xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(o.env["HOME"] ?? os.homedir(), ".local", "state");
  return path.join(base, "lateen");
}

/**
 * Makes the folders of a mesh that is about to start: nothing observed is left from before.
 * @throws MeshError UNAVAILABLE naming the folder that cannot be made or written
 */
export function prepareFolders(folders: MeshFolders): void {
  try {
    for (const stale of [folders.observed, folders.tokens]) fs.rmSync(stale, { recursive: true, force: true });
    for (const folder of [
      folders.state,
      folders.run,
      folders.applied,
      folders.observed,
      folders.logs,
      folders.controlPlane,
      folders.tokens,
    ])
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    fs.accessSync(folders.state, fs.constants.W_OK);
  } catch (e) {
    throw new MeshError(
      Code.Unavailable,
      `Cannot prepare state folder "${folders.state}": ${e instanceof Error ? e.message : String(e)}; it must be writable`,
      { folder: folders.state },
      e,
    );
  }
}

/** Removes what a mesh leaves at run time. For the keeper after the daemon's end, and for whoever finds a dead mesh. */
export function removeRunFolder(folders: MeshFolders): void {
  fs.rmSync(folders.run, { recursive: true, force: true });
}
