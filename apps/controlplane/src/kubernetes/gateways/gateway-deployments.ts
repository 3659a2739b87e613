import {
  CONTROLLER_VERSION,
  type DeploymentPlan,
  type DeploymentSettings,
  type GatewayNames,
  VERSION_ANNOTATION,
  classInfoOf,
  gatewayNames,
  isOfRevision,
  parametersOf,
  planDeployment,
} from "@lateen/gateway-deployment";
import {
  type ApiClient,
  type KubeMetrics,
  type ResourceFollower,
  type WorkOutcome,
  type WorkQueue,
  apiResourceOf,
  createWorkQueue,
  formatFailure,
  objectAccess,
  workDone,
  writtenAs,
} from "@lateen/kube";
import { type Gateway, type Namespace, namespaceOf } from "@lateen/resources";
import type { Logger } from "@lateen/telemetry";
import { ObjectApplier } from "./apply-objects.ts";
import { followChildren } from "./gateway-children.ts";
import { followParameters } from "./gateway-parameters.ts";

export interface GatewayDeploymentsOptions {
  readonly client: ApiClient;
  readonly follower: ResourceFollower;
  /** Resolves once the settings are known. */
  readonly ready: (o: { readonly signal: AbortSignal }) => Promise<void>;
  /** What holds now. */
  readonly settings: () => DeploymentSettings;
  /** Values of `istio.io/rev` that are ours. */
  readonly revisions: () => readonly string[];
  readonly isSelected: (namespace: Namespace) => boolean;
  /** The control plane's own. */
  readonly namespace: string;
  /** Field manager. */
  readonly owner: string;
  /** Hears that what is in the way of a Gateway changed. */
  readonly onProblem: (gateway: string) => void;
  readonly log: Logger;
  readonly metrics: KubeMetrics;
}

/** What runs the Gateways, kept as it should be while this replica leads. */
export interface GatewayDeployments extends Disposable {
  readonly queue: WorkQueue;
  /** Why a Gateway is not run as it should be; null: nothing is in the way. */
  problemOf(gateway: string): string | null;
  gatewayChanged(key: string): void;
  classChanged(name: string): void;
  namespaceChanged(name: string): void;
  /** What all of them follow from changed. */
  allChanged(): void;
}

/** @see control-plane 3.4 */
export function gatewayDeployments(o: GatewayDeploymentsOptions): GatewayDeployments {
  return new Controller(o);
}

class Controller implements GatewayDeployments {
  readonly queue: WorkQueue;
  readonly #o: GatewayDeploymentsOptions;
  readonly #children;
  readonly #parameters;
  readonly #applier: ObjectApplier;
  readonly #problems = new Map<string, string>();
  /** ConfigMap that each Gateway names. */
  readonly #wanted = new Map<string, string>();

  constructor(o: GatewayDeploymentsOptions) {
    this.#o = o;
    const { client, log, metrics, namespace, owner } = o;
    this.queue = createWorkQueue({ name: "run a Gateway", work: (key, signal) => this.#work(key, signal), log });
    this.#children = followChildren({
      ...{ client, log, metrics },
      onChange: (gateways) => gateways.forEach((key) => this.queue.add(key)),
    });
    this.#parameters = followParameters({
      ...{ client, log, metrics, namespace },
      onClassDefaults: () => this.allChanged(),
      onNamed: (map) => this.#mapChanged(map),
    });
    this.#applier = new ObjectApplier({ client, children: this.#children, owner, metrics });
  }

  problemOf(gateway: string): string | null {
    return this.#problems.get(gateway) ?? null;
  }

  gatewayChanged(key: string): void {
    const gateway = this.#o.follower.of("Gateway").get(key);
    const named = gateway && parametersOf(gateway);
    if (gateway === undefined || named == null || "reason" in named) this.#wanted.delete(key);
    else this.#wanted.set(key, `${namespaceOf(gateway)}/${named.name}`);
    this.#parameters.follow(new Set(this.#wanted.values()));
    this.queue.add(key);
  }

  classChanged(name: string): void {
    this.#each((gateway) => gateway.spec.gatewayClassName === name);
  }

  namespaceChanged(name: string): void {
    this.#each((gateway) => namespaceOf(gateway) === name);
  }

  allChanged(): void {
    this.#each(() => true);
  }

  [Symbol.dispose](): void {
    this.#children[Symbol.dispose]();
    this.#parameters[Symbol.dispose]();
  }

  #mapChanged(map: string): void {
    for (const [gateway, wanted] of this.#wanted) if (wanted === map) this.queue.add(gateway);
  }

  #each(which: (gateway: Gateway) => boolean): void {
    for (const [key, gateway] of this.#o.follower.of("Gateway").entries()) if (which(gateway)) this.queue.add(key);
  }

  async #work(key: string, signal: AbortSignal): Promise<WorkOutcome> {
    const wait = { signal };
    await Promise.all([this.#children.synced(wait), this.#parameters.synced(wait), this.#o.ready(wait)]);
    const gateway = this.#o.follower.of("Gateway").get(key);
    const plan = gateway === undefined ? null : this.#plan(gateway);
    if (plan === "unknown") return workDone(); // its ConfigMap is on its way, and brings it back
    if (gateway === undefined || plan === null || plan.t === "none") {
      this.#applier.forget(key);
      this.#know(key, null);
      return workDone();
    }
    if (plan.claim) {
      const claimed = await this.#claim(gateway, signal);
      if (claimed.t === "again") return claimed;
    }
    if (plan.problem !== null) {
      const why = plan.problem.message;
      if (this.#know(key, why)) this.#o.log.error("a Gateway cannot be run", { gateway: key, why });
      return workDone(); // no other try mends it
    }
    return this.#apply(key, gateway, plan, signal);
  }

  /** @returns null when it is not ours, or is going; `unknown` while its parameters are */
  #plan(gateway: Gateway): DeploymentPlan | null | "unknown" {
    const { follower, settings, revisions, isSelected } = this.#o;
    const namespace = follower.of("Namespace").get(namespaceOf(gateway));
    if ((gateway.metadata.deletionTimestamp ?? null) !== null || namespace === undefined) return null;
    if ((namespace.metadata.deletionTimestamp ?? null) !== null || !isSelected(namespace)) return null;
    if (!isOfRevision(gateway, namespace.metadata.labels ?? {}, revisions())) return null;
    const at = namespaceOf(gateway);
    const parameters = parametersOf(gateway);
    const map =
      parameters === null || "reason" in parameters ? undefined : this.#parameters.named(`${at}/${parameters.name}`);
    if (map === null) return "unknown";
    const gatewayClass = follower.of("GatewayClass").get(gateway.spec.gatewayClassName);
    const now = settings();
    const names = namesOf(gateway, gatewayClass, now);
    return planDeployment(
      {
        gateway,
        gatewayClass,
        classDefaults: this.#parameters.ofClass(gateway.spec.gatewayClassName),
        configMap: () => map,
        deployment:
          names === null ? undefined : this.#children.get("Deployment", `${at}/${names.deployment}`)?.deployment,
      },
      now,
    );
  }

  /** Marks it with the version of the controller that has it, so that an older one leaves it alone. */
  async #claim(gateway: Gateway, signal: AbortSignal): Promise<WorkOutcome> {
    const resource = apiResourceOf("Gateway");
    const { name } = gateway.metadata;
    const annotations = { [VERSION_ANNOTATION]: String(CONTROLLER_VERSION) };
    const object = { ...writtenAs(resource), metadata: { name, namespace: namespaceOf(gateway), annotations } };
    const { owner, client, metrics } = this.#o;
    const answer = await objectAccess(client, resource).apply(object, { owner, signal });
    metrics.wrote(owner, answer.ok ? "ok" : "failed");
    if (answer.ok || answer.error.status === 404) return workDone();
    return { t: "again", why: formatFailure(answer.error), afterMs: answer.error.retryAfterMs ?? 0 };
  }

  /** One that cannot be written does not hold up the others. */
  async #apply(
    key: string,
    gateway: Gateway,
    plan: Extract<DeploymentPlan, { t: "run" }>,
    signal: AbortSignal,
  ): Promise<WorkOutcome> {
    const wrong: string[] = [];
    let afterMs = 0;
    for (const object of plan.objects) {
      const applied = await this.#applier.apply(object, gateway, signal);
      if (applied.t === "done") continue;
      wrong.push(applied.why);
      if (applied.t === "failed") afterMs = Math.max(afterMs, applied.afterMs);
    }
    const why = wrong.join("; ");
    this.#know(key, why === "" ? null : why);
    return why === "" ? workDone() : { t: "again", why, afterMs };
  }

  /** @returns whether that is new */
  #know(key: string, problem: string | null): boolean {
    if (this.problemOf(key) === problem) return false;
    if (problem === null) this.#problems.delete(key);
    else this.#problems.set(key, problem);
    this.#o.onProblem(key);
    return true;
  }
}

function namesOf(
  gateway: Gateway,
  gatewayClass: Parameters<typeof classInfoOf>[2],
  { classes }: DeploymentSettings,
): GatewayNames | null {
  const info = classInfoOf(classes, gateway.spec.gatewayClassName, gatewayClass);
  return info === null ? null : gatewayNames(gateway, info);
}
