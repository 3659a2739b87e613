import process from "node:process";
import { serveHttp } from "@lateen/admin-http";
import { Code, MeshError } from "@lateen/errors";
import { createScope } from "@lateen/lifecycle";
import { growDescriptorTable } from "@lateen/linux";
import { type ControlOptions, ControlThread } from "./control/control-thread.ts";
import { keepAtRest } from "./control/rest-keeper.ts";
import { dataPathDriver } from "./data-path-driver.ts";
import { kernelProbes, missingPrivilege } from "./control/privileges.ts";
import { OwnServers } from "./control/own-servers.ts";
import { adminRoutes, metricsRoutes, readinessRoutes } from "./control/routes.ts";

/** Thousands of connections, one of which each growing of the table would hold up, and with it its whole thread. */
const DESCRIPTORS = 16_384;

/** A running node proxy. */
export interface Ztunnel extends AsyncDisposable {
  /** Settles when something ends the proxy from inside: a quit request or a hand-over (null), or a fault with its text. */
  readonly ended: Promise<string | null>;
  /** Accepts nothing new, lets connections finish until the drain period is over, then ends them. */
  drain(): Promise<void>;
}

/**
 * Starts the proxy (dataplane 4.1), which takes over from one that runs already, where one hands over.
 * @throws MeshError when an address cannot be bound; DENIED when the kernel does not let us serve pods
 */
export async function startZtunnel(o: Omit<ControlOptions, "onEnd" | "processListeners">): Promise<Ztunnel> {
  const missing = missingPrivilege(kernelProbes(o.config.data.mark));
  if (missing !== null) throw new MeshError(Code.Denied, missing);
  const system = dataPathDriver("auto", process) === "fast" ? "linux" : "other";
  if (system === "linux") growDescriptorTable(DESCRIPTORS);
  await using scope = createScope();
  const { promise: ended, resolve: onEnd } = Promise.withResolvers<string | null>();
  const control = scope.own(
    new ControlThread({
      ...o,
      onEnd,
      processListeners: (mode) =>
        void (mode === "open" ? servers.open("patiently") : servers.close()).catch((e: unknown) => onEnd(String(e))),
    }),
  );
  const { servers: at } = o.config;
  const servers = scope.own(
    new OwnServers(
      [
        [at.readiness, readinessRoutes(control.readiness)],
        [at.admin, adminRoutes(control.admin)],
        [at.stats, metricsRoutes(() => control.families())],
      ],
      serveHttp,
    ),
  );
  // In one namespace with its predecessor the addresses are taken: they are opened once that lets go of them.
  if (await control.takeOver()) await servers.open("once").catch(() => servers.close());
  else await servers.open("once");
  control.start();
  scope.own(keepAtRest({ restThreads: () => control.restThreads(), system }));
  const owned = scope.move();
  return { ended, drain: () => control.drain(), [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
