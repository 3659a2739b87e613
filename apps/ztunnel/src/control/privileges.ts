import { closeSync } from "node:fs";
import { MeshError } from "@lateen/errors";
import { currentNetns, inNetns, socketFactory } from "@lateen/linux";

/** What the kernel must let us do, as functions that throw when it does not. */
export interface PrivilegeProbes {
  /** Enters a network namespace. */
  readonly enter: () => void;
  /** Marks a socket. */
  readonly mark: () => void;
}

export function kernelProbes(mark: number): PrivilegeProbes {
  return {
    enter: () => {
      using own = currentNetns();
      inNetns(own.fd, () => undefined);
    },
    mark: () => {
      const to = { ip: "127.0.0.1", port: 1 };
      closeSync(socketFactory.client({ to, from: null, netns: null, mark, keepAlive: null, timeoutMs: 0 }));
    },
  };
}

/**
 * Finds out before any pod is served whether pods can be served at all (dataplane 3.3): a proxy that learns it at its first pod
 * would leave that pod captured and dead.
 * @returns null, or what is missing and how it is given
 */
export function missingPrivilege(probes: PrivilegeProbes): string | null {
  const attempt = (probe: () => void, what: string): string | null => {
    try {
      probe();
      return null;
    } catch (error) {
      return `Cannot ${what}: ${MeshError.is(error) ? error.message : String(error)}`;
    }
  };
  return (
    attempt(probes.enter, "enter network namespaces (CAP_SYS_ADMIN is needed)") ??
    attempt(probes.mark, "mark sockets (CAP_NET_ADMIN is needed)")
  );
}
