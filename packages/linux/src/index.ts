export { type Netns, createNetns, currentNetns, inNetns, netnsId, openNetns } from "./namespaces.ts";
export { decodeInet, encodeInet, encodeNetlink, encodePacket, encodeUnix } from "./sockaddr.ts";
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
