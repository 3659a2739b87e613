import { serveHttp } from "@lateen/admin-http";
import { Code, MeshError } from "@lateen/errors";
import { createScope } from "@lateen/lifecycle";
import { type ControlOptions, ControlThread } from "./control/control-thread.ts";
import { kernelProbes, missingPrivilege } from "./control/privileges.ts";
import { adminRoutes, metricsRoutes, readinessRoutes } from "./control/routes.ts";

/** A running node proxy. */
export interface Ztunnel extends AsyncDisposable {
  /** Settles when something ends the proxy from inside: a quit request (null), or a fault with its text. */
  readonly ended: Promise<string | null>;
  /** Accepts nothing new, lets connections finish until the drain period is over, then ends them. */
  drain(): Promise<void>;
}

/**
 * Starts the proxy (dataplane 4.1).
 * @throws MeshError when an address cannot be bound; DENIED when the kernel does not let us serve pods
 */
export async function startZtunnel(o: Omit<ControlOptions, "onEnd">): Promise<Ztunnel> {
  const missing = missingPrivilege(kernelProbes(o.config.data.mark));
  if (missing !== null) throw new MeshError(Code.Denied, missing);
  await using scope = createScope();
  const { promise: ended, resolve: onEnd } = Promise.withResolvers<string | null>();
  const control = scope.own(new ControlThread({ ...o, onEnd }));
  const { servers } = o.config;
  scope.own(await serveHttp(servers.readiness, readinessRoutes(control.readiness)));
  scope.own(await serveHttp(servers.admin, adminRoutes(control.admin)));
  scope.own(
    await serveHttp(
      servers.stats,
      metricsRoutes(() => control.families()),
    ),
  );
  control.start();
  const owned = scope.move();
  return { ended, drain: () => control.drain(), [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
