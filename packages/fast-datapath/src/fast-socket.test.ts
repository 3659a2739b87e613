import { Memory, closeStream, recvInto, streamPair } from "@lateen/linux";
import { expect, test } from "vitest";
import { FastSocket } from "./fast-socket.ts";
import { Loop } from "./loop.ts";

/** A socket in the loop, the descriptor of its peer, and three bytes as a layer above has sealed them. */
function socketAndPeer(loop: Loop): { readonly socket: FastSocket; readonly far: number; readonly sealed: Memory } {
  const [near, far] = streamPair();
  const socket = new FastSocket(loop, { fd: near, tenant: loop.turns.hold(""), remote: null, place: null });
  const sealed = new Memory(3);
  sealed.bytes.set([3, 4, 5]);
  return { socket, far, sealed };
}

test("what a layer above seals leaves at once, in one piece with what was written before it", () => {
  using loop = new Loop((fault) => {
    throw fault;
  });
  const { socket, far, sealed } = socketAndPeer(loop);
  const received = new Memory(16);

  socket.write(Uint8Array.of(1, 2));
  expect(socket.writeNow(sealed, 0, 3)).toBe(true);
  expect(recvInto(far, received, 0, 16)).toBe(5);
  expect([...received.bytes.subarray(0, 5)]).toEqual([1, 2, 3, 4, 5]);

  loop.flush(); // where the socket is listed still
  socket.write(Uint8Array.of(6));
  loop.flush();
  expect(recvInto(far, received, 0, 16)).toBe(1);
  closeStream(far);
});

test("what fills the vector leaves before what a layer above seals behind it", () => {
  using loop = new Loop((fault) => {
    throw fault;
  });
  const { socket, far, sealed } = socketAndPeer(loop);
  const pairs = 64; // of a staged piece and one that is pointed to: as many as a vector holds
  const pointed = 2048;

  for (let i = 0; i < pairs; i++) socket.write(Uint8Array.of(1), new Uint8Array(pointed).fill(2));
  expect(socket.writeNow(sealed, 0, 3)).toBe(true);
  const all = pairs * (1 + pointed) + 3;
  const received = new Memory(all + 1);
  let got = 0;
  while (got < all) {
    const n = recvInto(far, received, got, received.length - got);
    if (n <= 0) break;
    got += n;
  }
  expect(got).toBe(all);
  expect([...received.bytes.subarray(all - 5, all)]).toEqual([2, 2, 3, 4, 5]);
  closeStream(far);
});
