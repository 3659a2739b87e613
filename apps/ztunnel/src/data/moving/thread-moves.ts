import type { DataPath } from "@lateen/datapath";
import type { StateFormat } from "../../handover/state-format.ts";
import type { FromThread, ToThread } from "../../messages.ts";
import type { ServedPod } from "../served-pod.ts";
import type { ChannelLoop } from "./channel.ts";
import { ThreadGiver } from "./thread-giver.ts";
import { ThreadTaker } from "./thread-taker.ts";

export interface MovesWorld {
  readonly path: Pick<DataPath, "mover" | "after" | "nowMs">;
  /** Null with a driver that has no loop to watch descriptors in; then nothing moves either. */
  readonly watch: ChannelLoop["watch"] | null;
  readonly pods: ReadonlyMap<string, ServedPod>;
  readonly format: StateFormat;
  readonly post: (message: FromThread) => void;
  /** The machine's monotonic clock, the same in every process. */
  readonly clockMs: () => number;
  readonly closeFd: (fd: number) => void;
  readonly duplicateFd: (fd: number) => number;
}

type MoveMessage = Extract<ToThread, { t: "give" | "stop-giving" | "take" }>;

/** A data thread's part in hand-overs: what it gives to a successor's thread, or takes from those of a predecessor. */
export class ThreadMoves {
  readonly #world: MovesWorld;
  #giver: ThreadGiver | null = null;

  constructor(world: MovesWorld) {
    this.#world = world;
  }

  receive(m: MoveMessage): void {
    const { path, watch, post, closeFd, duplicateFd, clockMs, pods, format } = this.#world;
    const { mover } = path;
    if (m.t === "stop-giving") return this.#giver?.stop();
    if (mover === null || watch === null) {
      closeFd(m.fd);
      const ending = { outcome: "refused", why: "this driver cannot move connections", left: -1 } as const;
      if (m.t === "give") post({ t: "gave", gave: { ...ending, moved: 0, kept: 0 } });
      else post({ t: "took", took: { ...ending, declined: [], bundles: [] } });
      return;
    }
    const world = {
      mover,
      pods,
      format,
      watch,
      closeFd,
      duplicateFd,
      clockMs,
      after: (ms: number, run: () => void) => path.after(ms, run),
      nowMs: () => path.nowMs(),
    };
    if (m.t === "take") new ThreadTaker(world, m, (took) => post({ t: "took", took }));
    else this.#giver = new ThreadGiver(world, m, (gave) => post({ t: "gave", gave }));
  }
}
