import {
  type BundleFollower,
  type CaClient,
  type CertificateDumpItem,
  type IdentityManager,
  type IdentityState,
  createBundleFollower,
  createCaClient,
  dumpCertificates,
  startIdentityManager,
} from "@lateen/ca";
import { formatIdentity } from "@lateen/identity";
import { systemClock } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import type { IdentityChange } from "@lateen/workload-model";
import type { Config } from "../config.ts";
import type { DataThreads } from "./data-threads.ts";

export interface IdentityEvents {
  /** Called after every change of a pod's certificate. */
  readonly changed: () => void;
  /** Every certificate carries the trust bundle that was told last. */
  readonly bundleSettled: () => void;
}

/** The trust bundle for people. */
export interface TrustBundleDump {
  readonly roots: readonly CertificateDumpItem[];
  /** Whether every certificate carries it, which the control plane is told. */
  readonly acknowledged: boolean;
  /** Identities whose certificates do not carry it yet. */
  readonly waitingFor: readonly string[];
}

/** Not an identity: stands for the proxy's own certificate, whose identity a pod of this node may have too. */
const OWN = "ztunnel itself";

/** The certificates of this node: its pods' (asked for by impersonation) and the proxy's own (for the control plane). */
export class Identities implements Disposable {
  readonly pods: IdentityManager;
  readonly #own: IdentityManager;
  readonly #ownIdentity: string;
  readonly #clients: readonly CaClient[];
  readonly #bundle: BundleFollower;
  readonly #log: Logger;

  constructor(config: Config, threads: Pick<DataThreads, "send">, log: Logger, events: IdentityEvents) {
    this.#log = log;
    const { env, upstream } = config;
    const client = (mode: "shared" | "dedicated"): CaClient =>
      createCaClient({
        address: upstream.caAddress,
        rootFile: env.CA_ROOT_CA ?? env.XDS_ROOT_CA,
        tokenFile: env.AUTH_TOKEN,
        clusterId: upstream.clusterId,
        headers: upstream.caHeaders,
        alternativeHostname: env.ALT_CA_HOSTNAME ?? null,
        mode,
        ttlSec: env.SECRET_TTL / 1_000,
      });
    const [shared, dedicated] = [client("shared"), client("dedicated")];
    this.#clients = [shared, dedicated];
    const common = { clock: systemClock, random: Math.random };
    this.#bundle = createBundleFollower({
      ...common,
      spreadMs: env.LATEEN_BUNDLE_SPREAD,
      renew: (holder) => (holder === OWN ? this.#own.renew(this.#ownIdentity) : this.pods.renew(holder)),
      onSettled: () => {
        log.info("every certificate carries the trust bundle", { roots: this.#bundle.roots?.length ?? 0 });
        events.bundleSettled();
      },
    });
    this.pods = startIdentityManager({
      ...common,
      fetch: (identity, signal) => shared.fetch(identity, signal),
      onChange: (identity, state) => {
        if (state?.t === "unavailable") log.warn("certificate fetch failed", { identity, error: state.why });
        if (state?.t === "available")
          log.info("certificate issued", { identity, until: new Date(state.notAfterMs).toISOString() });
        if (state?.t !== "initializing") threads.send({ t: "identity", identity, state });
        this.#bundle.held(identity, rootsOf(state));
        events.changed();
      },
    });
    this.#ownIdentity = formatIdentity({
      trustDomain: env.TRUST_DOMAIN,
      namespace: env.POD_NAMESPACE,
      serviceAccount: env.SERVICE_ACCOUNT,
    });
    this.#own = startIdentityManager({
      ...common,
      fetch: (identity, signal) => dedicated.fetch(identity, signal),
      onChange: (identity, state) => {
        if (state?.t === "unavailable") log.warn("own certificate fetch failed", { identity, error: state.why });
        this.#bundle.held(OWN, rootsOf(state));
      },
    });
  }

  /** Fetches what local workloads began to need, so that no connection waits for it, and forgets what none needs. */
  follow(change: IdentityChange): void {
    for (const identity of change.added) this.pods.want(identity, "warmup");
    for (const identity of change.removed) this.pods.forget(identity);
  }

  /** Renews what does not carry these roots, spread over time. Null: no bundle is told. */
  trust(roots: readonly string[] | null): void {
    if (roots !== null) this.#log.info("trust bundle", { roots: roots.length });
    this.#bundle.follow(roots);
  }

  /** Null while none was told. */
  dumpBundle(): TrustBundleDump | null {
    const { roots, isSettled, lagging } = this.#bundle;
    if (roots === null) return null;
    return { roots: roots.flatMap(dumpCertificates), acknowledged: isSettled, waitingFor: lagging };
  }

  /** Waits for the proxy's own certificate. @returns null when the CA does not give one now */
  async ownCertificate(signal: AbortSignal): Promise<{ readonly keyPem: string; readonly chainPem: string } | null> {
    const own = await this.#own.wait(this.#ownIdentity, signal);
    return own.ok ? own.value : null;
  }

  /** The proxy's own certificate as it is now. */
  currentCertificate(): { readonly keyPem: string; readonly chainPem: string } | null {
    const state = this.#own.get(this.#ownIdentity);
    return state?.t === "available" ? state : null;
  }

  [Symbol.dispose](): void {
    this.#bundle[Symbol.dispose]();
    this.pods[Symbol.dispose]();
    this.#own[Symbol.dispose]();
    for (const client of this.#clients) client[Symbol.dispose]();
  }
}

const rootsOf = (state: IdentityState | null): readonly string[] | null =>
  state?.t === "available" ? state.rootsPem : null;
