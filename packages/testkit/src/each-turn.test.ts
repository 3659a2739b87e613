import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { eachTurn } from "./each-turn.ts";

test("runs at once and in each turn, until it is ended", async () => {
  let runs = 0;
  const end = eachTurn(() => (runs += 1));
  expect(runs).toBe(1);
  while (runs < 3) await turn();
  end();
  const before = runs;
  await turn();
  await turn();
  expect(runs).toBe(before);
});
