import { Budget } from "./budgets.ts";
import { ErrorCode, Flag } from "./constants.ts";
import { type FrameReader, Take } from "./frame-reader.ts";
import { resetFrame } from "./frame-writer.ts";
import type { MachineCore } from "./machine-core.ts";
import type { DataSnapshot } from "./snapshot.ts";
import type { StreamState } from "./stream-state.ts";

/** DATA: the hot path. Views go straight to the stream's owner. @see RFC 9113 section 6.1 */
export class DataFrames {
  readonly #core: MachineCore;
  /** Receiver of the frame being read, null while one is thrown away. */
  #stream: StreamState | null = null;
  /** Content of that frame so far. */
  #bytes = 0;

  constructor(core: MachineCore) {
    this.#core = core;
  }

  head(h: FrameReader): Take {
    const core = this.#core;
    this.#stream = null;
    this.#bytes = 0;
    if (!core.takeConnection(h.length)) {
      core.violated({ code: ErrorCode.FlowControlError, why: "connection window overrun" });
      return Take.Stop;
    }
    const s = core.streams.get(h.streamId);
    if (s === undefined) this.#late(h.streamId);
    else if (s.remoteEnded) core.streamError(s, ErrorCode.StreamClosed, "DATA after END_STREAM");
    else if (!s.receive.take(h.length)) core.streamError(s, ErrorCode.FlowControlError, "stream window overrun");
    else if (s.accepted || this.#mayPassEarly(s, h)) this.#stream = s;
    return core.closed ? Take.Stop : Take.Data;
  }

  /** DATA for a stream that is not there. @see RFC 9113 section 5.1, "closed" */
  #late(id: number): void {
    const core = this.#core;
    const ending = core.ended.get(id);
    if (core.isIdle(id)) core.violated({ code: ErrorCode.ProtocolError, why: "DATA on an idle stream" });
    else if (ending === "complete") core.violated({ code: ErrorCode.StreamClosed, why: "DATA on a closed stream" });
    else if (ending !== "we-reset" && core.spend(Budget.Reset)) {
      core.ended.add(id, "we-reset");
      core.control(resetFrame(id, ErrorCode.StreamClosed));
    }
  }

  /**
   * DATA before a 200. The body of a request that was answered 400 is thrown away. A client that sends bytes before its CONNECT
   * was accepted is refused, so that no byte can pass ahead of the decision; an empty end is harmless.
   */
  #mayPassEarly(s: StreamState, h: FrameReader): boolean {
    const core = this.#core;
    if (s.answered) return true;
    if (core.role === "client") core.streamError(s, ErrorCode.ProtocolError, "DATA before the response");
    else if (h.length === 0 && (h.flags & Flag.EndStream) !== 0) return true;
    else if (core.spend(Budget.Reset)) {
      const owner = s.owner;
      core.refuse(s, 400, []);
      owner?.onOver({ code: ErrorCode.ProtocolError, by: "peer", why: "data before CONNECT was accepted" });
    }
    return false;
  }

  /** Of the frame being read; without its stream what follows of it is thrown away. */
  snapshot(): DataSnapshot {
    const s = this.#stream;
    return { streamId: s === null || s.over ? 0 : s.id, bytes: this.#bytes };
  }

  restore(from: DataSnapshot): void {
    this.#stream = this.#core.streams.get(from.streamId) ?? null;
    this.#bytes = from.bytes;
  }

  bytes(view: Uint8Array): boolean {
    const core = this.#core;
    const s = this.#stream;
    this.#bytes += view.length;
    if (s === null || s.over) core.creditConnection(view.length);
    else if (s.owner === null) {
      s.bodyBytes += view.length;
      core.consumed(s, view.length);
    } else if (s.owner.onData(view)) core.consumed(s, view.length);
    return !core.closed;
  }

  done(h: FrameReader): boolean {
    const core = this.#core;
    const s = this.#stream;
    const overhead = h.length - this.#bytes; // padding and its length
    if (overhead > 0) {
      if (s === null || s.over) core.creditConnection(overhead);
      else core.consumed(s, overhead);
    }
    const end = (h.flags & Flag.EndStream) !== 0;
    if (this.#bytes === 0 && !end) core.spend(Budget.EmptyData);
    if (end && s !== null && !s.over) core.remoteEnd(s);
    return !core.closed;
  }
}
