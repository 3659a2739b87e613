export { type ReviewedAdmission, reviewAdmission } from "./admission-review.ts";
export { type Review } from "./findings.ts";
export { formatReview } from "./format-review.ts";
export {
  corsHeaderNameProblem,
  headerValueProblem,
  matchedHeaderProblem,
  strictHeaderNameProblem,
} from "./http-headers.ts";
export { httpStatusProblem } from "./http-route.ts";
export { localitiesProblem } from "./localities.ts";
export {
  checkMeshConfig,
  checkNetworks,
  controlPlaneAuthPolicyProblem,
  providerServiceProblem,
} from "./mesh-config.ts";
export {
  domainProblem,
  gatewayDomainProblem,
  ipProblem,
  portNameProblem,
  subnetProblem,
  trustDomainProblem,
  wildcardDomainProblem,
} from "./names.ts";
export type { Release } from "./object-context.ts";
export { re2Problem } from "./re2-syntax.ts";
export { celProblem } from "./cel-syntax.ts";
export { validateObject } from "./validate-object.ts";
export { isPathLiteral, isPathTemplate, pathTemplateProblem } from "./path-template.ts";
