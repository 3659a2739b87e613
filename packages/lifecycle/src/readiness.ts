/** Named reasons not to be ready. */
export interface Readiness {
  /** Blocks until disposed. The same name may block several times. */
  block(name: string): Disposable;
  /** Names that still block, each once, in the order in which they were first blocked. */
  pending(): readonly string[];
  readonly isReady: boolean;
  /**
   * Resolves when nothing blocks.
   * @throws the signal's reason
   */
  ready(o?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** Ready until something blocks; `onChange` hears every change, so the log can say what is still missing. */
export function createReadiness(onChange?: (pending: readonly string[]) => void): Readiness {
  const blockers = new Map<symbol, string>();
  const waiting = new Set<() => void>();
  const pending = (): readonly string[] => [...new Set(blockers.values())];
  const release = (id: symbol): void => {
    if (!blockers.delete(id)) return;
    onChange?.(pending());
    if (blockers.size > 0) return;
    for (const wake of [...waiting]) wake();
  };
  return {
    block(name) {
      const id = Symbol(name);
      blockers.set(id, name);
      onChange?.(pending());
      return { [Symbol.dispose]: () => release(id) };
    },
    pending,
    get isReady() {
      return blockers.size === 0;
    },
    ready(o = {}) {
      if (blockers.size === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const done = (): void => {
          waiting.delete(done);
          o.signal?.removeEventListener("abort", aborted);
          resolve();
        };
        const aborted = (): void => {
          waiting.delete(done);
          reject(o.signal?.reason as Error);
        };
        if (o.signal?.aborted === true) return aborted();
        waiting.add(done);
        o.signal?.addEventListener("abort", aborted, { once: true });
      });
    },
  };
}
