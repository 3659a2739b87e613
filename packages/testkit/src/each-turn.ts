import { setImmediate } from "node:timers";

/**
 * Runs something in every turn of the runtime's loop, from now on.
 * @returns ends it
 */
export function eachTurn(run: () => void): () => void {
  let on = true;
  const turn = (): void => {
    if (!on) return;
    run();
    setImmediate(turn);
  };
  turn();
  return () => {
    on = false;
  };
}
