import type { HeaderField } from "./api.ts";
import { ErrorCode, SERVER_MAX_STREAMS } from "./constants.ts";
import type { FrameReader } from "./frame-reader.ts";
import type { Violation } from "./frame-rules.ts";
import { HeaderAssembler } from "./header-assembler.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { MachineCore } from "./machine-core.ts";
import { classifyRequest, classifyResponse } from "./message-rules.ts";
import { StreamState } from "./stream-state.ts";

/** HEADERS and CONTINUATION: requests and answers. @see RFC 9113 sections 6.2, 8.3 and 8.5 */
export class HeaderFrames {
  readonly #core: MachineCore;
  readonly #decoder = new HpackDecoder();
  readonly #assembler = new HeaderAssembler();

  constructor(core: MachineCore) {
    this.#core = core;
  }

  /** Whether a block is open, so that only its CONTINUATION may follow. */
  get open(): boolean {
    return this.#assembler.streamId !== 0;
  }

  headViolation(h: FrameReader): Violation | null {
    return this.#assembler.headProblem(h);
  }

  /** Whether nothing of earlier frames matters to the next. */
  get stateless(): boolean {
    return !this.open && this.#decoder.stateless;
  }

  /** The peer has acknowledged that we keep no table. */
  becomeStateless(): void {
    this.#decoder.setLimit(0);
  }

  frame(h: FrameReader, payload: Uint8Array): void {
    const core = this.#core;
    const block = this.#assembler.add(h, payload);
    if (block === null) return;
    if (!(block instanceof Uint8Array)) {
      core.violated(block);
      return;
    }
    const decoded = this.#decoder.decode(block, core.headerListLimit);
    if (decoded.t === "bad") core.violated({ code: ErrorCode.CompressionError, why: decoded.why });
    else if (decoded.t === "too-large")
      core.violated({ code: ErrorCode.EnhanceYourCalm, why: "header list too large" });
    else if (core.role === "server") this.#request(h.streamId, decoded.fields);
    else this.#response(h.streamId, decoded.fields);
  }

  #request(id: number, fields: readonly HeaderField[]): void {
    const core = this.#core;
    const s = core.streams.get(id);
    if (s !== undefined) this.#trailers(s, fields);
    else if (id <= core.lastPeerId || id % 2 === 0) this.#late(id);
    else {
      core.lastPeerId = id;
      // Above `acceptUpTo` our GOAWAY told the client that this one will not be looked at.
      if (id <= core.acceptUpTo) this.#openRequest(id, fields);
    }
  }

  #openRequest(id: number, fields: readonly HeaderField[]): void {
    const core = this.#core;
    const s = new StreamState(id, core.peerInitialWindow, core.limits.streamWindow);
    s.remoteEnded = this.#assembler.endStream;
    if (core.streams.size >= SERVER_MAX_STREAMS) {
      core.streamError(s, ErrorCode.RefusedStream, "too many streams");
      return;
    }
    core.streams.add(s);
    const request = this.#assembler.selfDependent ? SELF_DEPENDENT : classifyRequest(fields);
    if (request.t === "connect") core.events.onRequest(s, request.authority, request.headers);
    else if (request.t === "malformed") core.streamError(s, ErrorCode.ProtocolError, request.why);
    else this.#answerOther(s, request.contentLength);
  }

  /** Not a CONNECT: 400, and its body is read only to be thrown away. */
  #answerOther(s: StreamState, contentLength: number): void {
    const core = this.#core;
    if (s.remoteEnded && contentLength > 0) {
      core.streamError(s, ErrorCode.ProtocolError, "body does not match content-length");
      return;
    }
    core.sendHeaders(s, [[":status", "400"]], "end-stream");
    s.bodyLength = contentLength;
    s.answered = true;
    s.ending = true;
    s.localEnded = true;
    core.finishIfDone(s);
  }

  /** A second header block: never part of a CONNECT; the end of another request's body. */
  #trailers(s: StreamState, fields: readonly HeaderField[]): void {
    const wellFormed = s.answered && this.#assembler.endStream && !fields.some(([name]) => name.startsWith(":"));
    if (s.remoteEnded) this.#core.streamError(s, ErrorCode.StreamClosed, "HEADERS after END_STREAM");
    else if (wellFormed) this.#core.remoteEnd(s);
    else this.#core.streamError(s, ErrorCode.ProtocolError, "unexpected HEADERS");
  }

  #response(id: number, fields: readonly HeaderField[]): void {
    const core = this.#core;
    const s = core.streams.get(id);
    if (s === undefined) {
      this.#late(id);
      return;
    }
    if (s.remoteEnded || s.accepted) {
      core.streamError(s, s.remoteEnded ? ErrorCode.StreamClosed : ErrorCode.ProtocolError, "unexpected HEADERS");
      return;
    }
    const response = classifyResponse(fields);
    const end = this.#assembler.endStream;
    if (response.t === "malformed") core.streamError(s, ErrorCode.ProtocolError, response.why);
    else if (response.t === "informational") {
      if (end) core.streamError(s, ErrorCode.ProtocolError, "informational response with END_STREAM");
    } else {
      s.accepted = response.status === 200;
      core.events.onResponse(s, response.status, response.headers);
      this.#afterResponse(s, end);
    }
  }

  #afterResponse(s: StreamState, end: boolean): void {
    const core = this.#core;
    if (s.over) return;
    if (end) core.remoteEnd(s);
    if (s.accepted || s.over) return;
    if (!end) {
      core.reset(s, ErrorCode.Cancel, "refused by the peer");
      return;
    }
    core.sender.end(s);
    core.finishIfDone(s);
  }

  /** HEADERS for a stream that is not there. */
  #late(id: number): void {
    const ending = this.#core.ended.get(id);
    if (ending === "we-reset") return;
    if (ending !== null) this.#core.violated({ code: ErrorCode.StreamClosed, why: "HEADERS on a closed stream" });
    else this.#core.violated({ code: ErrorCode.ProtocolError, why: "HEADERS on a bad stream id" });
  }
}

const SELF_DEPENDENT = { t: "malformed", why: "stream depends on itself" } as const;
