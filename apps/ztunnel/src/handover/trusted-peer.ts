import type { PeerCredentials } from "@lateen/linux";

/** @returns why the process at the other end of the hand-over socket is not to be given anything; null when it is */
export type PeerJudge = (peer: PeerCredentials) => string | null;

export interface PeerWorld {
  readonly uid: number;
  /** Path of the program that a process runs; null when it cannot be seen, as from another PID namespace. */
  readonly programOf: (pid: number) => string | null;
  readonly ownProgram: string | null;
}

/**
 * What is handed over are keys and open connections of every pod of the node, so the socket's permissions are not all: the kernel
 * must name the same user, and where the other process can be seen, it must run the same program as this one. Root can of course
 * do as it likes with either.
 */
export function peerJudge({ uid, programOf, ownProgram }: PeerWorld): PeerJudge {
  return (peer) => {
    if (peer.uid !== uid) return `it runs as user ${peer.uid}, this as ${uid}`;
    const program = peer.pid > 0 ? programOf(peer.pid) : null;
    if (program === null || ownProgram === null || program === ownProgram) return null;
    return `it runs ${JSON.stringify(program)}, this ${JSON.stringify(ownProgram)}`;
  };
}
