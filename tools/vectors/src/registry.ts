import { driver as caService } from "./drivers/ca-service.ts";
import { driver as cliGoldens } from "./drivers/cli-goldens.ts";
import { driver as http2Requirements } from "./drivers/http2-requirements.ts";
import { driver as ambientIndexScenarios } from "./drivers/ambient-index-scenarios.ts";
import { driver as ambientIndexUnits } from "./drivers/ambient-index-units.ts";
import { driver as gatewayApiStatus } from "./drivers/gateway-api-status.ts";
import { driver as gatewayDeployments } from "./drivers/gateway-deployments.ts";
import { driver as iptablesGoldens } from "./drivers/iptables-goldens.ts";
import { driver as matchingRules } from "./drivers/matching-rules.ts";
import { driver as ztunnelConfig } from "./drivers/ztunnel-config.ts";
import { driver as ztunnelRbac } from "./drivers/ztunnel-rbac.ts";
import { driver as ztunnelRouting } from "./drivers/ztunnel-routing.ts";
import { driver as policyConversion } from "./drivers/policy-conversion.ts";
import { driver as spiffeId } from "./drivers/spiffe-id.ts";
import { driver as xdsWorkloadScenarios } from "./drivers/xds-workload-scenarios.ts";
import { driver as validationCrds } from "./drivers/validation-crds.ts";
import { driver as validationIstio } from "./drivers/validation-istio.ts";
import { driver as validationIstioOlder } from "./drivers/validation-istio-1.21-only.ts";
import type { SuiteDriver } from "./suite-driver.ts";

/** One driver per suite; a new one is a file in `drivers/` and a line here. */
export const drivers: readonly SuiteDriver[] = [
  caService,
  cliGoldens,
  ambientIndexScenarios,
  ambientIndexUnits,
  gatewayApiStatus,
  gatewayDeployments,
  http2Requirements,
  iptablesGoldens,
  matchingRules,
  ztunnelConfig,
  ztunnelRbac,
  ztunnelRouting,
  spiffeId,
  policyConversion,
  xdsWorkloadScenarios,
  validationCrds,
  validationIstio,
  validationIstioOlder,
];
