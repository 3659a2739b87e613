import { Buffer } from "node:buffer";
import { type SocketAddress, ipFromBytes } from "@lateen/addresses";
import { AF_INET, AF_INET6 } from "./constants.ts";
import { isErrno, openNetlink } from "./netlink/netlink-socket.ts";
import { NLM_F_DUMP, NLM_F_REQUEST, NetlinkWriter } from "./netlink/wire.ts";
import { procfsListeners } from "./procfs.ts";

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const IPPROTO_TCP = 6;
const TCP_LISTEN = 10;

/** `inet_diag_req_v2`: all TCP sockets of a family that are in LISTEN. */
export function encodeListenersRequest(family: number, seq: number): Uint8Array {
  const request = Buffer.alloc(56);
  request.writeUInt8(family, 0);
  request.writeUInt8(IPPROTO_TCP, 1);
  request.writeUInt32LE(1 << TCP_LISTEN, 4);
  const w = new NetlinkWriter();
  w.begin(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, seq);
  w.raw(request);
  w.end();
  return w.bytes();
}

/** The local address in an `inet_diag_msg`; null when the bytes are not one. */
export function decodeListener(body: Uint8Array): SocketAddress | null {
  if (body.length < 24) return null;
  const family = body[0]!;
  if (family !== AF_INET && family !== AF_INET6) return null;
  const port = (body[4]! << 8) | body[5]!;
  return { ip: ipFromBytes(body.subarray(8, family === AF_INET ? 12 : 24)), port };
}

/** Asks the kernel for sockets in LISTEN only, which costs microseconds however many connections there are. */
function diagnosedListeners(netns: number): readonly SocketAddress[] {
  using socket = openNetlink(NETLINK_SOCK_DIAG, netns);
  return [AF_INET, AF_INET6].flatMap((family) =>
    socket.dump(
      "list listening sockets",
      (seq) => encodeListenersRequest(family, seq),
      (m) => decodeListener(m.body),
    ),
  );
}

/**
 * TCP sockets that listen in a network namespace, both families. By `sock_diag`; by procfs where the kernel lacks that.
 * @throws MeshError when neither answers
 */
export function listeningSockets(netns: number): readonly SocketAddress[] {
  try {
    return diagnosedListeners(netns);
  } catch (e) {
    if (!isErrno(e, "ENOENT", "EPROTONOSUPPORT", "EINVAL")) throw e;
    return procfsListeners(netns);
  }
}
