import { disposable, type Clock } from "@lateen/lifecycle";
import type { Logger } from "@lateen/telemetry";
import type { OwnCertificate } from "./server-certificate.ts";
import type { World } from "./world.ts";

export interface KeepAuthorityOptions {
  /** Between looks at the own root; 0: never. */
  readonly checkMs: number;
  /** Each pause is longer by up to this share. */
  readonly jitter: number;
  readonly own: Pick<OwnCertificate, "renew">;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
}

/** What is written in several steps is read once. */
const DEBOUNCE_MS = 100;
/** After a look that found something wrong. */
const RETRY_MS = 30_000;

/**
 * Keeps the authority as its store has it: looks when that changes, and now and then by itself, so that a root is renewed in time. When
 * what signs or the roots changed, the roots are published first, then the server shows a certificate of the new signer. A problem
 * is logged when it appears, not again while it stays.
 */
export function keepAuthority(
  world: Pick<World, "authority" | "watchKeys" | "publishRoots">,
  o: KeepAuthorityOptions,
): Disposable {
  const { authority } = world;
  const { clock, log } = o;
  let isOver = false;
  let due: Disposable | null = null;
  let debounce: Disposable | null = null;
  let known: readonly string[] = authority.problems;
  let last: Promise<void> = Promise.resolve();

  const changed = async (): Promise<void> => {
    log.info("the authority has changed", { roots: authority.rootsPem.split("BEGIN CERT").length - 1 });
    try {
      await world.publishRoots();
    } catch (error) {
      log.error("cannot publish the roots", { error: String(error) });
    }
    await o.own.renew();
  };
  const look = async (): Promise<void> => {
    if (isOver) return;
    await authority.reload();
    const { problems } = authority;
    for (const problem of problems) if (!known.includes(problem)) log.error(problem);
    for (const problem of known) if (!problems.includes(problem)) log.info("mended", { problem });
    known = problems;
    plan();
  };
  const lookSoon = (): void => {
    debounce?.[Symbol.dispose]();
    debounce = clock.after(DEBOUNCE_MS, () => void (last = last.then(look)));
  };
  const plan = (): void => {
    due?.[Symbol.dispose]();
    due = null;
    const pauseMs = known.length > 0 ? RETRY_MS : o.checkMs;
    if (!isOver && pauseMs > 0) due = clock.after(pauseMs * (1 + o.jitter * o.random()), lookSoon);
  };

  const listening = authority.onChange(() => void changed());
  const watching = world.watchKeys(lookSoon);
  plan();
  return disposable(() => {
    isOver = true;
    for (const held of [listening, watching, due, debounce]) held?.[Symbol.dispose]();
  });
}
