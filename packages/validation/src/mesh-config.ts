import { checkMeshNetworks, checkMeshPieces } from "@lateen/resources";
import { Findings, type Review, forEachOf, quoted } from "./findings.ts";
import { checkLocalityLb, checkZoneAwareLb } from "./localities.ts";
import {
  domainProblem,
  ipProblem,
  isDnsLabel,
  isIpAddress,
  portProblem,
  scopedHostProblem,
  subnetProblem,
  trustDomainProblem,
  wildcardDomainProblem,
} from "./names.ts";
import { checkConnectionPool, checkOutlierDetection } from "./traffic-policy.ts";

/**
 * The parts of a MeshConfig that have rules: trust domains, hosts of `serviceSettings`, the default traffic policy, localities.
 * @see control-plane 7.7
 */
export function checkMeshConfig(raw: unknown): Review {
  const checked = checkMeshPieces(raw);
  if (!checked.ok) return { errors: checked.problems, warnings: [] };
  const mesh = checked.value;
  const f = new Findings();
  if (mesh.trustDomain !== undefined) f.at("trustDomain").check(trustDomainProblem(mesh.trustDomain));
  forEachOf(mesh.trustDomainAliases, f.at("trustDomainAliases"), (alias, at) => at.check(trustDomainProblem(alias)));
  forEachOf(mesh.serviceSettings, f.at("serviceSettings"), (setting, at) =>
    forEachOf(setting.hosts, at.at("hosts"), (host, place) => place.check(wildcardDomainProblem(host))),
  );
  const policy = f.at("defaultTrafficPolicy");
  checkConnectionPool(mesh.defaultTrafficPolicy?.connectionPool, policy.at("connectionPool"));
  checkOutlierDetection(mesh.defaultTrafficPolicy?.outlierDetection, policy.at("outlierDetection"));
  // For a whole mesh outlier detection is each service's own affair.
  checkLocalityLb(mesh.localityLbSetting ?? undefined, f.at("localityLbSetting"), { outlierDetection: {} });
  checkZoneAwareLb(mesh.zoneAwareLbSetting ?? undefined, f.at("zoneAwareLbSetting"), { outlierDetection: {} });
  return f.review();
}

/** Which addresses and clusters belong to which network, and through which gateways it is reached. */
export function checkNetworks(raw: unknown): Review {
  const checked = checkMeshNetworks(raw);
  if (!checked.ok) return { errors: checked.problems, warnings: [] };
  const f = new Findings();
  for (const [name, network] of Object.entries(checked.value.networks ?? {})) {
    const at = f.at("networks", name);
    forEachOf(network.endpoints, at.at("endpoints"), ({ fromCidr, fromRegistry }, place) => {
      if (fromCidr !== undefined) place.at("fromCidr").check(subnetProblem(fromCidr));
      if (fromRegistry !== undefined)
        place
          .at("fromRegistry")
          .require(isDnsLabel(fromRegistry), `${quoted(fromRegistry)} is not the name of a registry`);
    });
    forEachOf(network.gateways, at.at("gateways"), ({ registryServiceName, address, port }, place) => {
      if (registryServiceName !== undefined) place.at("registryServiceName").check(domainProblem(registryServiceName));
      if (address !== undefined && ipProblem(address) !== null && domainProblem(address) !== null)
        place.at("address").error(`${quoted(address)} is neither an IP address nor a name`);
      place.at("port").check(portProblem(port ?? 0));
    });
  }
  return f.review();
}

/** The service of an extension provider: a name or an address, or `namespace/name`. */
export function providerServiceProblem(service: string): string | null {
  if (service === "") return "must not be empty";
  if (service.includes("/")) return scopedHostProblem(service, { of: "sidecar" });
  return isIpAddress(service) ? null : domainProblem(service);
}

/** NONE, MUTUAL_TLS. */
const CONTROL_PLANE_POLICIES: readonly number[] = [0, 1];
export const controlPlaneAuthPolicyProblem = (policy: number): string | null =>
  CONTROL_PLANE_POLICIES.includes(policy) ? null : `${policy} is not a policy of authentication`;
