import type { Cancel } from "@lateen/datapath";
import { MAX_MESSAGE_BYTES, MAX_PIECE_FDS } from "@lateen/handover";
import { type SeqpacketChannel, seqpacketChannel } from "@lateen/linux";

/** What a channel needs of the loop that it lives in. */
export interface ChannelLoop {
  /** Calls `run` in each turn in which something can be read from a descriptor. */
  readonly watch: (fd: number, run: () => void) => Cancel;
  readonly after: (ms: number, run: () => void) => Cancel;
  readonly closeFd: (fd: number) => void;
}

export interface ChannelHandler {
  onMessage(bytes: Uint8Array, fds: readonly number[]): void;
  /** The last call: the peer is gone, and all that it said has been heard. */
  onClosed(why: string): void;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
  readonly done: (sent: boolean) => void;
}

/** Between two attempts to send what the socket has no room for. */
const RETRY_MS = 1;

/** The socket between a data thread and one of another process, in the thread's own loop: nothing that stands still waits for another thread. */
export class Channel {
  readonly #loop: ChannelLoop;
  readonly #socket: SeqpacketChannel;
  readonly #handler: ChannelHandler;
  readonly #unwatch: Cancel;
  readonly #waiting: Waiting[] = [];
  #retry: Cancel | null = null;
  #open = true;

  /** Owns the descriptor. */
  constructor(loop: ChannelLoop, fd: number, handler: ChannelHandler) {
    this.#loop = loop;
    this.#socket = seqpacketChannel(fd, MAX_MESSAGE_BYTES);
    this.#handler = handler;
    this.#unwatch = loop.watch(fd, () => this.#receive());
  }

  /** @param done called once, with whether it was sent: what was sent is the peer's to read, even if it is gone a moment later */
  send(bytes: Uint8Array, fds: readonly number[], done: (sent: boolean) => void): void {
    this.#waiting.push({ bytes, fds, done });
    if (this.#waiting.length === 1) this.#send();
  }

  #send(): void {
    this.#retry = null;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const sent = this.#open ? this.#socket.send(next.bytes, next.fds) : "gone";
      if (sent === "full") {
        this.#retry = this.#loop.after(RETRY_MS, () => this.#send());
        return;
      }
      this.#waiting.shift();
      next.done(sent === "sent");
    }
  }

  /** One message a turn: what was moved already is served in between. */
  #receive(): void {
    const got = this.#socket.receive(MAX_PIECE_FDS);
    if (got === null) return;
    if (got.t === "message") this.#handler.onMessage(got.bytes, got.fds);
    else this.#closed(got.t === "end" ? "the other process is gone" : got.why);
  }

  #closed(why: string): void {
    if (!this.#open) return;
    this.close();
    this.#handler.onClosed(why);
  }

  /** The peer can say nothing more; what it said before is still heard, then `onClosed`. */
  shut(): void {
    this.#socket.shut();
  }

  /** Nothing more is heard; what waits to be sent is not. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#unwatch();
    this.#socket[Symbol.dispose]();
    this.#retry?.();
    this.#send();
  }
}
