import { seqpacketPair } from "@lateen/linux";
import { GiverSession } from "./giver-session.ts";
import { TakerSession } from "./taker-session.ts";

/** Offers that are made and taken: until the runtime has compiled what is on the way. */
const OFFERS = 150;
const STATE_BYTES = 2_000;
const WINDOW = 2;
const DEADLINE_MS = 2_000;

export interface RehearsalWorld {
  readonly nowMs: () => number;
  readonly closeFd: (fd: number) => void;
  /** A descriptor to be passed on. */
  readonly open: () => number;
}

/** Both sides of a hand-over within this process, over a socket of its own: what they give is nothing. */
export async function rehearseSessions({ nowMs, closeFd, open }: RehearsalWorld): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const common = { versions: { newest: 1, oldest: 1 }, role: "rehearsal", nowMs, closeFd };
  const state = new Uint8Array(STATE_BYTES);
  const [a, b] = seqpacketPair();
  let left = OFFERS;
  const giver = new GiverSession(
    a,
    {
      list: () => giver.listed(),
      want: (count) => {
        for (let i = 0; i < count && left > 0; i++)
          giver.offer({ kind: "connections", key: String(left--), name: "rehearsal", state, fds: [open()] });
        if (left === 0) giver.exhausted(0);
      },
      given: () => undefined,
      kept: () => undefined,
    },
    common,
    signal,
  );
  const taker = new TakerSession(
    b,
    {
      welcomed: () => taker.list(),
      listed: () => taker.move(WINDOW),
      offered: ({ id, fds }) => {
        fds.forEach(closeFd);
        taker.decide(id, null);
      },
      committed: () => undefined,
      letGo: () => undefined,
      ended: () => taker.bye(),
      over: () => undefined,
    },
    { ...common, program: "rehearsal" },
  );
  await Promise.all([giver.run(signal), taker.run(signal)]);
}
