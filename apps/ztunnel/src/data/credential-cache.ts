import type { Credentials, DataPath } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { IdentityState } from "../messages.ts";

type Waiter = (result: Result<Credentials>) => void;
interface Entry {
  /** As the control thread told it, null until it does. */
  readonly told: IdentityState | null;
  /** What the driver made of it, null until a connection asked. */
  loaded: Result<Credentials> | null;
  readonly waiters: Waiter[];
}

/** The longest queue of connections that wait for one identity's first certificate. */
const MAX_WAITERS = 4_096;

/**
 * Credentials of the identities that this thread shakes hands as. Keys live in the control thread's manager, which pushes every
 * change; a miss asks for it once and waits (dataplane 9.4, RealTime). What the driver keeps of a certificate is made when the first
 * connection needs it: most identities of a node have none on most threads, and a node that is told of many pods has more to do.
 */
export class CredentialCache {
  readonly #path: Pick<DataPath, "credentials">;
  readonly #want: (identity: string) => void;
  readonly #entries = new Map<string, Entry>();

  constructor(path: Pick<DataPath, "credentials">, want: (identity: string) => void) {
    this.#path = path;
    this.#want = want;
  }

  /** Calls back at once when the state is known: with credentials, or with the error of the last failed fetch. */
  get(identity: string, done: Waiter): void {
    const entry = this.#entries.get(identity);
    if (entry?.told) return done((entry.loaded ??= this.#load(entry.told)));
    if (entry && entry.waiters.length >= MAX_WAITERS)
      return done(fail(new MeshError(Code.Unavailable, `identity error: too many connections wait for ${identity}`)));
    if (entry) entry.waiters.push(done);
    else {
      this.#entries.set(identity, { told: null, loaded: null, waiters: [done] });
      this.#want(identity);
    }
  }

  /** Takes a change from the control thread; null forgets the identity. */
  set(identity: string, state: IdentityState | null): void {
    const waiters = this.#entries.get(identity)?.waiters ?? [];
    if (state === null) this.#entries.delete(identity);
    else this.#entries.set(identity, { told: state, loaded: null, waiters: [] });
    if (state !== null) for (const done of waiters) this.get(identity, done);
    else for (const done of waiters) done(left(identity));
  }

  #load(state: IdentityState): Result<Credentials> {
    if (state.t === "unavailable") return fail(new MeshError(Code.Unavailable, `identity error: ${state.why}`));
    try {
      return ok(this.#path.credentials(state));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      return fail(new MeshError(Code.Unavailable, `identity error: ${why}`, {}, cause));
    }
  }
}

const left = (identity: string): Result<never> =>
  fail(new MeshError(Code.Unavailable, `identity error: ${identity} left this node`));
