/**
 * How a stream that is no longer in the table ended: after our reset frames may still be on their way, after the peer's or after
 * both ends none may come.
 */
export const ENDINGS = ["we-reset", "peer-reset", "complete"] as const;
export type Ending = (typeof ENDINGS)[number];
