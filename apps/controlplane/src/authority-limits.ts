import type { AuthorityOptions } from "@lateen/ca";
import type { Config } from "./config.ts";

/** How long things that the authority issues may live. */
export const authorityLimits = (
  config: Config,
): Pick<AuthorityOptions, "nowMs" | "defaultTtlSec" | "maxTtlSec"> &
  Required<Pick<AuthorityOptions, "rootTtlSec" | "renewShare">> => ({
  nowMs: Date.now,
  defaultTtlSec: config.DEFAULT_WORKLOAD_CERT_TTL / 1_000,
  maxTtlSec: config.MAX_WORKLOAD_CERT_TTL / 1_000,
  rootTtlSec: config.CITADEL_SELF_SIGNED_CA_CERT_TTL / 1_000,
  renewShare: config.CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE / 100,
});

/** When the authority looks at its own root. */
export const authorityTiming = (config: Config): { readonly checkMs: number; readonly jitter: number } => ({
  checkMs: config.CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL,
  jitter: config.CITADEL_ENABLE_JITTER_FOR_ROOT_CERT_ROTATOR ? 0.2 : 0,
});
