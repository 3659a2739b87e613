/** Owns resources and closes them in reverse order. `DisposableStack` for runtimes that lack it, with async in mind. */
export interface Scope extends AsyncDisposable {
  /** Takes over `resource`: the scope disposes of it at its end. */
  own<T extends Disposable | AsyncDisposable>(resource: T): T;
  /** Runs `release` at the end. */
  defer(release: () => void | Promise<void>): void;
  /** Gives everything owned so far to a new scope, and is empty afterwards: for constructors whose later steps may fail. */
  move(): Scope;
}

/**
 * A scope. Closing is idempotent, waits for each release before the next, and goes on after one that fails; then it throws
 * that failure, or an AggregateError of several. What is given to a closed scope is released at once.
 */
export function createScope(): Scope {
  return scopeOf([]);
}

type Release = () => void | PromiseLike<void>;

function scopeOf(initial: Release[]): Scope {
  let releases = initial;
  let closing: Promise<void> | null = null;
  const add = (release: Release): void => {
    if (closing === null) releases.push(release);
    else closing = closing.then(release);
  };
  return {
    own(resource) {
      add(() => release(resource));
      return resource;
    },
    defer: add,
    move() {
      const moved = scopeOf(releases);
      releases = [];
      return moved;
    },
    [Symbol.asyncDispose]: () => (closing ??= closeAll(releases)),
  };
}

function release(resource: Disposable | AsyncDisposable): void | PromiseLike<void> {
  if (Symbol.asyncDispose in resource) return resource[Symbol.asyncDispose]();
  resource[Symbol.dispose]();
}

async function closeAll(releases: Release[]): Promise<void> {
  const failures: unknown[] = [];
  for (let next = releases.pop(); next !== undefined; next = releases.pop()) {
    try {
      await next();
    } catch (e) {
      failures.push(e);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1)
    throw new AggregateError(failures, `Cannot close cleanly: ${failures.length} releases failed`);
}
