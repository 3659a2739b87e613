export {
  type HostPattern,
  compareHosts,
  hostCovers,
  hostsForNamespace,
  hostsOverlap,
  intersectHosts,
  isWildcard,
} from "./host-pattern.ts";
