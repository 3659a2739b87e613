export { eachTurn } from "./each-turn.ts";
export { type Eventually, eventually } from "./eventually.ts";
export { failureOf, thrownBy } from "./failure.ts";
export { FakeClock } from "./fake-clock.ts";
export { describeDifference, golden } from "./golden.ts";
export { type Skip, requirePrograms, requireRoot, requirement } from "./requirements.ts";
export { type ThreadEnd, ThreadEnds } from "./thread-ends.ts";
