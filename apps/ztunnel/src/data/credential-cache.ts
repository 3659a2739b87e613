import type { Credentials, DataPath } from "@lateen/datapath";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import type { IdentityState } from "../messages.ts";

type Waiter = (result: Result<Credentials>) => void;
type Entry = { state: Result<Credentials> | null; waiters: Waiter[] };

/** The longest queue of connections that wait for one identity's first certificate. */
const MAX_WAITERS = 4_096;

/**
 * Credentials of the identities that this thread shakes hands as. Keys live in the control thread's manager, which pushes every
 * change; a miss asks for it once and waits (dataplane 9.4, RealTime).
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
    if (entry?.state) return done(entry.state);
    if (entry && entry.waiters.length >= MAX_WAITERS)
      return done(fail(new MeshError(Code.Unavailable, `identity error: too many connections wait for ${identity}`)));
    if (entry) entry.waiters.push(done);
    else {
      this.#entries.set(identity, { state: null, waiters: [done] });
      this.#want(identity);
    }
  }

  /** Takes a change from the control thread; null forgets the identity. */
  set(identity: string, state: IdentityState | null): void {
    const waiters = this.#entries.get(identity)?.waiters ?? [];
    const result =
      state === null
        ? fail(new MeshError(Code.Unavailable, `identity error: ${identity} left this node`))
        : this.#load(state);
    if (state === null) this.#entries.delete(identity);
    else this.#entries.set(identity, { state: result, waiters: [] });
    for (const done of waiters) done(result);
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
