import type { HttpServer, Routes } from "@lateen/admin-http";
import { sleep } from "@lateen/lifecycle";

/** A predecessor that lets go of an address needs a moment to do so. */
const RETRY_MS = 10;
const ATTEMPTS = 2_000;

/** The small HTTP servers of the process, opened and closed together; one change after the other. */
export class OwnServers implements AsyncDisposable {
  readonly #what: readonly (readonly [address: string, routes: Routes])[];
  readonly #serve: (address: string, routes: Routes) => Promise<HttpServer>;
  readonly #open = new Map<string, HttpServer>();
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    what: readonly (readonly [address: string, routes: Routes])[],
    serve: (address: string, routes: Routes) => Promise<HttpServer>,
  ) {
    this.#what = what;
    this.#serve = serve;
  }

  /**
   * Opens those that are not open.
   * @param patience whether an address that is taken is tried again for a while: somebody is about to let go of it
   * @throws MeshError UNAVAILABLE when an address stays taken
   */
  open(patience: "once" | "patiently"): Promise<void> {
    return this.#then(async () => {
      for (const [address, routes] of this.#what) {
        if (this.#open.has(address) || this.#closed) continue;
        const attempts = patience === "once" ? 1 : ATTEMPTS;
        this.#open.set(address, await this.#attempt(address, routes, attempts));
      }
    });
  }

  close(): Promise<void> {
    return this.#then(async () => {
      const open = [...this.#open.values()];
      this.#open.clear();
      await Promise.all(open.map((server) => server[Symbol.asyncDispose]()));
    });
  }

  #then(run: () => Promise<void>): Promise<void> {
    const done = this.#last.then(run);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #attempt(address: string, routes: Routes, attempts: number): Promise<HttpServer> {
    for (let left = attempts - 1; ; left--) {
      try {
        return await this.#serve(address, routes);
      } catch (error) {
        if (left === 0 || this.#closed) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    return this.close();
  }
}
