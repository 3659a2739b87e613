import type { KeyStore } from "./root-store.ts";

/** Who gets a certificate: a proxy that acknowledges trust bundles, or somebody else. */
export type Holder = "proxy" | "other";

/** How long what was issued may still be in use. */
export interface Issued {
  /** Longest lifetime so far. */
  readonly longestMs: number;
  /** The last certificate of somebody else than a proxy has expired by then; 0: there was none. */
  readonly othersUntilMs: number;
}

const ISSUED_FILE = "issued.json";
const NOTHING: Issued = { longestMs: 0, othersUntilMs: 0 };
/** A longer end than needed is noted, by this share of the lifetime, so that few certificates cost a write. */
const AHEAD = 0.25;
const RETRY_MS = 30_000;

/** Remembers over restarts, beside the keys, until when what was issued may be in use: rotations wait for it. */
export class IssueRecord {
  readonly #open: () => Promise<KeyStore>;
  readonly #nowMs: () => number;
  #known: Issued;
  #written: Issued;
  #failedMs = -Infinity;

  /** @param known as the store has it */
  constructor(open: () => Promise<KeyStore>, nowMs: () => number, known: Issued) {
    this.#open = open;
    this.#nowMs = nowMs;
    this.#known = known;
    this.#written = known;
  }

  get known(): Issued {
    return this.#known;
  }

  /** Notes a certificate that is about to be given out. Never fails: what cannot be written is written with a later one. */
  async note(ttlMs: number, holder: Holder): Promise<void> {
    const nowMs = this.#nowMs();
    const ends = nowMs + ttlMs;
    const { longestMs, othersUntilMs } = this.#known;
    const others = holder === "other" && ends > othersUntilMs ? ends + ttlMs * AHEAD : othersUntilMs;
    this.#known = { longestMs: Math.max(longestMs, ttlMs), othersUntilMs: others };
    const isWritten = this.#known.longestMs <= this.#written.longestMs && others <= this.#written.othersUntilMs;
    if (isWritten || nowMs - this.#failedMs < RETRY_MS) return;
    try {
      const store = await this.#open();
      this.merge(await readIssued(store));
      const wanted = this.#known;
      await store.write(ISSUED_FILE, `${JSON.stringify(wanted)}\n`, "public");
      this.#written = wanted;
    } catch {
      // Keys of somebody else, or a store that is away: this process remembers, and tries again later.
      this.#failedMs = nowMs;
    }
  }

  /** Takes what other replicas noted. */
  merge(other: Issued | null): void {
    if (other !== null)
      this.#known = {
        longestMs: Math.max(this.#known.longestMs, other.longestMs),
        othersUntilMs: Math.max(this.#known.othersUntilMs, other.othersUntilMs),
      };
  }
}

/** A root that came into being just now has signed nothing: the next who opens the store must not guess. */
export async function beginIssued(store: KeyStore): Promise<Issued> {
  try {
    await store.write(ISSUED_FILE, `${JSON.stringify(NOTHING)}\n`, "public");
  } catch {
    // The next certificate writes it; until then others assume more than was issued.
  }
  return NOTHING;
}

/** @returns null when nothing is noted, or nothing that can be read */
export async function readIssued(store: KeyStore): Promise<Issued | null> {
  const text = await store.read(ISSUED_FILE, "public");
  if (text === null) return null;
  try {
    const { longestMs, othersUntilMs } = { ...NOTHING, ...(JSON.parse(text) as Partial<Issued>) };
    return Number.isFinite(longestMs) && Number.isFinite(othersUntilMs) ? { longestMs, othersUntilMs } : null;
  } catch {
    return null; // as good as none
  }
}
