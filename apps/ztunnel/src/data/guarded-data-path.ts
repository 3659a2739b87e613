import type { DataPath, Mover } from "@lateen/datapath";

type Guard = (run: () => void, giveUp: () => void) => void;

/**
 * The same data path, but what a callback throws ends only the stream that it was called for: one connection's fault must not
 * take the thread, and with it every pod of the node.
 * @param onFault hears each exception
 */
export function guardedDataPath(path: DataPath, onFault: (fault: unknown) => void): DataPath {
  const guard: Guard = (run, giveUp) => {
    try {
      run();
    } catch (fault) {
      giveUp();
      onFault(fault);
    }
  };
  return {
    listen: (options, onStream) =>
      path.listen(options, (stream) =>
        guard(
          () => onStream(stream),
          () => stream.abort(),
        ),
      ),
    connect: (options, done) =>
      path.connect(options, (result) =>
        guard(
          () => done(result),
          () => result.ok && result.value.abort(),
        ),
      ),
    secure: (stream, options, done) => {
      const verifyPeer = (chain: readonly Uint8Array[]): string | null => {
        let verdict: string | null = "the peer's certificate cannot be judged";
        guard(
          () => (verdict = options.verifyPeer(chain)),
          () => undefined,
        );
        return verdict;
      };
      return path.secure(stream, { ...options, verifyPeer }, (result) =>
        guard(
          () => done(result),
          () => (result.ok ? result.value : stream).abort(),
        ),
      );
    },
    credentials: (options) => path.credentials(options),
    after: (ms, run) => path.after(ms, () => guard(run, () => undefined)),
    defer: (run) => path.defer(() => guard(run, () => undefined)),
    nowMs: () => path.nowMs(),
    mover: path.mover === null ? null : guardedMover(path.mover, guard),
  };
}

/** What an adopted listener accepts is guarded like any other's. */
function guardedMover(mover: Mover, guard: Guard): Mover {
  return {
    freeze: (stream) => mover.freeze(stream),
    freezeInner: (stream) => mover.freezeInner(stream),
    thaw: (stream) => mover.thaw(stream),
    forget: (stream) => mover.forget(stream),
    pair: (tenant) => mover.pair(tenant),
    restoreSocket: (state, fd) => mover.restoreSocket(state, fd),
    restoreSecure: (state, fd) => mover.restoreSecure(state, fd),
    restoreInner: (state, carrier) => mover.restoreInner(state, carrier),
    descriptor: (listener) => mover.descriptor(listener),
    lend: (listener) => mover.lend(listener),
    takeBack: (listener) => mover.takeBack(listener),
    yieldAccepts: (listener, on) => mover.yieldAccepts(listener, on),
    adopt: (lent, onStream) =>
      mover.adopt(lent, (stream) =>
        guard(
          () => onStream(stream),
          () => stream.abort(),
        ),
      ),
  };
}
