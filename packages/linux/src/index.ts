export { type Netns, createNetns, currentNetns, inNetns, netnsId, openNetns } from "./namespaces.ts";
export { decodeInet, encodeInet, encodeNetlink, encodePacket, encodeUnix } from "./sockaddr.ts";
export { errnoName, errnoOf, systemError } from "./system-error.ts";
