type Is<E> = (error: unknown) => error is E;

/**
 * What `run` throws, of the kind that is expected of it.
 * @returns null when it throws nothing
 * @throws whatever else it throws, as it is
 */
export function thrownBy<E>(is: Is<E>, run: () => unknown): E | null {
  try {
    run();
  } catch (e) {
    if (is(e)) return e;
    throw e;
  }
  return null;
}

/**
 * For tests in which everything that is tried must fail in one way: the function that tries and gives the failure.
 * @throws Error, from that function, when nothing is thrown; and whatever else is thrown, as it is
 */
export function failureOf<E>(is: Is<E>): (run: () => unknown) => E {
  return (run) => {
    const thrown = thrownBy(is, run);
    if (thrown === null) throw new Error("it did not fail");
    return thrown;
  };
}
