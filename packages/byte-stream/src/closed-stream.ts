import type { SocketAddress } from "@lateen/addresses";
import type { ByteStream } from "./byte-stream.ts";

/** A stream that is over and whose owner knows it: takes the place of one in a relay of which only the other side is left. */
export function closedStream(local: SocketAddress, remote: SocketAddress): ByteStream {
  return {
    local,
    remote,
    buffered: 0,
    attach: () => undefined,
    write: () => true,
    end: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    abort: () => undefined,
  };
}
