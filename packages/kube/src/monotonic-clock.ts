import { type Clock, systemClock } from "@lateen/lifecycle";

/** Time that never goes back, with the timers of the machine. */
export const monotonicClock: Clock = { nowMs: () => performance.now(), after: (ms, run) => systemClock.after(ms, run) };
