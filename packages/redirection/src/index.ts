export {
  DNS_CAPTURE_PORT,
  DNS_ZONE,
  HBONE_PORT,
  INBOUND_PLAINTEXT_PORT,
  MARK_MASK,
  OUTBOUND_PORT,
  PROBE_SOURCE_V4,
  PROBE_SOURCE_V6,
  PROXY_MARK,
  RESTORED_MARK,
  ROUTE_TABLE,
  RULE_PRIORITY,
} from "./constants.ts";
export type {
  Action,
  AddressSet,
  Entry,
  Family,
  Hook,
  Match,
  Plan,
  Protocol,
  Routing,
  Rule,
  Table,
  Wording,
} from "./plan.ts";
export { type InPodOptions, defaultInPodOptions, inPodPlan, isInterfaceName } from "./in-pod-plan.ts";
export { type HostOptions, defaultHostOptions, hostPlan, probeSet } from "./host-plan.ts";
export {
  type AnnotatedOptions,
  BYPASS_INBOUND_ANNOTATION,
  DNS_CAPTURE_ANNOTATION,
  VIRTUAL_INTERFACES_ANNOTATION,
  podOptions,
} from "./pod-annotations.ts";
export { type IptablesOp, iptablesChain, iptablesOps } from "./iptables-rules.ts";
export { iptablesProbes, toIptablesCommands, toIptablesRestore } from "./iptables-text.ts";
export {
  type IptablesAction,
  type IptablesState,
  type SavedState,
  guardrails,
  iptablesAction,
  iptablesRemoval,
  iptablesState,
  leftoverRemoval,
  parseIptablesSave,
} from "./iptables-state.ts";
export { nftRemovalText, nftSetsText, toNftText } from "./nft-text.ts";
export { toNftRuleset } from "./nft-expressions.ts";
export { SERVICE_TABLE, type ServicePort, serviceRuleset } from "./service-ruleset.ts";
export { formatExpr } from "./format-expr.ts";
export { nftTableName } from "./nft-naming.ts";
export {
  type CtKey,
  type Endianness,
  type MetaKey,
  type NftBase,
  type NftChain,
  type NftExpr,
  type NftRuleset,
  type NftSet,
  type NftTable,
  type PayloadBase,
  type VerdictCode,
  hex,
  hostU16,
  hostU32,
  interfaceName,
  netU16,
} from "./nft-ruleset.ts";
