export { type Netns, createNetns, currentNetns, duplicateNetns, inNetns, netnsId, openNetns } from "./namespaces.ts";
export { decodeInet, encodeInet, encodeNetlink, encodePacket, encodeUnix } from "./sockaddr.ts";
export { createEvent, signalEvent, takeEvent } from "./events.ts";
export { errnoName, errnoOf, systemError } from "./system-error.ts";
export { isErrno } from "./netlink/netlink-socket.ts";
export { type RouteOptions, Rtnetlink, openRtnetlink } from "./netlink/rtnetlink.ts";
export {
  type InterfaceAddress,
  LOCAL_TABLE,
  type Link,
  type LinkChange,
  MAIN_TABLE,
  type Neighbour,
  type NewVeth,
  type PolicyRule,
  type Route,
  type VethEnd,
} from "./netlink/rtnetlink-wire.ts";
export { Nftables, type TableFilter, openNftables } from "./netlink/nftables.ts";
export type { NftChange, NftElement } from "./netlink/nft-changes.ts";
export type { NftFamily } from "./netlink/nft-numbers.ts";
export {
  PodRedirection,
  type Redirection,
  applyPlan,
  openPodRedirection,
  planDrift,
  readBack,
  removePlan,
} from "./netlink/redirect-plan.ts";
export { rulesetDrift } from "./netlink/ruleset-drift.ts";
export {
  type Capture,
  type CaptureCounters,
  type CaptureOptions,
  type CapturedPacket,
  openCapture,
} from "./packet-capture.ts";
export { IoVector } from "./io-vector.ts";
export { listeningSockets } from "./listeners.ts";
export { type PcapFile, createPcapFile, encodePcapHeader, encodePcapPacket } from "./pcap.ts";
export { type MountPlan, mountBind, mountProc, mountTmpfs, unmount } from "./mounts.ts";
export { growDescriptorTable } from "./descriptor-table.ts";
export { dup as duplicateFd } from "./libc.ts";
export { type HeldProcess, holdProcess, reapOrphans } from "./processes.ts";
export { type CgroupPod, parseCgroupPod, parseListeners, parseStartTime, processStartTime } from "./procfs.ts";
export { Alarm } from "./alarm.ts";
export { EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, Poller } from "./poller.ts";
export { type Awaited, type Watch, watchFd, whenReady } from "./readiness.ts";
export {
  type Incoming,
  type PeerCredentials,
  type SeqpacketChannel,
  type SeqpacketListenOptions,
  type SeqpacketListener,
  type SeqpacketSocket,
  connectSeqpacket,
  listenSeqpacket,
  seqpacketChannel,
  seqpacketDescriptors,
  seqpacketPair,
} from "./seqpacket.ts";
export { socketFactory, threadSocketFactory } from "./sockets.ts";
export {
  type NamespaceOptions,
  adoptOrphans,
  dieWithParent,
  spawnIn,
  unshareThread,
  withNamespaces,
} from "./spawn-in.ts";
export { type AeadName, type AeadOptions, AeadKey } from "./openssl/aead.ts";
export { TlsConnection, type TlsConnectionOptions } from "./openssl/tls-connection.ts";
export {
  DEFAULT_GROUPS,
  DEFAULT_SUITES,
  TICKET_KEYS_BYTES,
  TICKET_LIFETIME_SEC,
  TlsContext,
  type TlsContextOptions,
} from "./openssl/tls-context.ts";
export { type OfferedSession, type TicketKeeper } from "./openssl/resumption.ts";
export { TlsSession } from "./openssl/tls-session.ts";
export type { Refusal } from "./openssl/refusal.ts";
export { TlsLibrary } from "./openssl/tls-library.ts";
export { type FileMapping, cleanFileMappings, trimMemory } from "./own-memory.ts";
export { setOwnSlice } from "./own-slice.ts";
export { threadCpuMs, threadWaitedMs } from "./thread-clock.ts";
export { Memory, checkRange } from "./memory.ts";
export {
  type Accepted,
  acceptStream,
  closeStream,
  connectStream,
  endStream,
  localAddress,
  recvInto,
  remoteAddress,
  resetStream,
  sendFrom,
  setNoDelay,
  setSendBuffer,
  streamPair,
  takeError,
} from "./stream-calls.ts";
