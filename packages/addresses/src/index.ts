export {
  type Cidr,
  type SocketAddress,
  cidrContains,
  formatSocketAddress,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  parseCidr,
  parseIp,
  parseSocketAddress,
} from "./addresses.ts";
