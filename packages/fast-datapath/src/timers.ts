import { Alarm } from "@lateen/linux";
import { type Cancel, TimerWheel } from "./timer-wheel.ts";

/** The timers of a loop: a wheel, and the alarm that wakes the loop for it. The clock is looked at for them only. */
export class Timers implements Disposable {
  readonly #wheel: TimerWheel;
  readonly #alarm = new Alarm();
  /** When it rings; Infinity while it is not set. */
  #alarmMs = Infinity;
  #rang = false;

  constructor() {
    this.#wheel = new TimerWheel(performance.now());
  }

  /** To be watched for edges. */
  get fd(): number {
    return this.#alarm.fd;
  }

  after(ms: number, run: () => void): Cancel {
    return this.#wheel.after(performance.now(), ms, run);
  }

  ready(): void {
    this.#rang = true;
  }

  fault(): void {}

  /** Sees to it that the loop, which is about to wait, is woken for the next timer. */
  arm(): void {
    const nextMs = this.#wheel.nextMs();
    if (nextMs >= this.#alarmMs) return;
    this.#alarmMs = nextMs;
    this.#alarm.set(Math.max(0, nextMs - performance.now()));
  }

  /** Hands out what is due. @returns false when nothing can be, because the alarm has not rung */
  advance(fire: (run: () => void) => void): boolean {
    if (!this.#rang) return false;
    this.#rang = false;
    this.#alarmMs = Infinity;
    this.#wheel.advance(performance.now(), fire);
    return true;
  }

  [Symbol.dispose](): void {
    this.#alarm[Symbol.dispose]();
  }
}
