import type { Listener } from "./status-objects.ts";

/** The port of a listener; one of a ListenerSet may leave it to its protocol. Null: there is none. */
export function effectivePort({ port, protocol }: Listener): number | null {
  if (port !== undefined && port !== 0) return port;
  return protocol === "HTTP" ? 80 : protocol === "HTTPS" ? 443 : null;
}
