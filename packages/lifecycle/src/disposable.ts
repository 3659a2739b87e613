/** A disposable that calls `release` at the first disposal and does nothing at later ones. */
export function disposable(release: () => void): Disposable {
  let open = true;
  return {
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      release();
    },
  };
}

/** As `disposable`, for a release that waits. Every disposal gets the promise of the first. */
export function asyncDisposable(release: () => Promise<void>): AsyncDisposable {
  let closing: Promise<void> | null = null;
  return { [Symbol.asyncDispose]: () => (closing ??= release()) };
}
