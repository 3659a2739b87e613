export { type Backoff, type BackoffOptions, createBackoff } from "./backoff.ts";
export { type Clock, sleep, systemClock } from "./clock.ts";
export { withDeadline } from "./deadline.ts";
export { asyncDisposable, disposable } from "./disposable.ts";
export { type Drain, type DrainOptions, createDrain } from "./drain.ts";
export { type Readiness, createReadiness } from "./readiness.ts";
export { type RetryOptions, retry } from "./retry.ts";
export { Roster, type Seat } from "./roster.ts";
export { type Scope, createScope } from "./scope.ts";
