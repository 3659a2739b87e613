export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly total: number;
}

export interface Failure {
  readonly name: string;
  readonly kind: string;
  readonly outcome: "failed" | "unsupported";
  readonly claimed: boolean;
  readonly why?: string;
  readonly got?: unknown;
  readonly expected?: unknown;
}

/** The outcome of one suite, as written to the JSON file. */
export interface SuiteResult extends Counts {
  readonly suite: string;
  /** "all", "none", or the kinds that are claimed. */
  readonly claimed: "all" | "none" | readonly string[];
  /** Claimed cases that did not pass; a claimed file that cannot be read counts as one. */
  readonly broken: number;
  readonly kinds: Readonly<Record<string, Counts>>;
  /** Set when the file as a whole could not be used. */
  readonly problem?: string;
  /** Every failed case, and every unsupported case that was claimed. */
  readonly failures: readonly Failure[];
}
