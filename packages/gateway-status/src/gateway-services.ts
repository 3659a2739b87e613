import { type ClassInfo, gatewayNames, isManaged } from "@lateen/gateway-deployment";
import { type Gateway, namespaceOf } from "@lateen/resources";
import type { GatewayService, GatewayWorld } from "./gateway-world.ts";
import { type Fault, type StatusAddress, type StatusCondition, holds } from "./status-conditions.ts";

/** Names of the services that a Gateway is reached by, and what of its addresses cannot be used. */
export interface ServiceNames {
  readonly hostnames: readonly string[];
  readonly fault: Fault | null;
}

const SERVICE_TYPE = "networking.istio.io/service-type";
const ADDRESS_TYPE = "networking.istio.io/address-type";

/** Its own service, or those that its addresses name. */
export function serviceNames(gateway: Gateway, info: ClassInfo, domain: string): ServiceNames {
  const namespace = namespaceOf(gateway);
  const qualified = (name: string): string => `${name}.${namespace}.svc.${domain}`;
  if (isManaged(gateway)) return { hostnames: [qualified(gatewayNames(gateway, info).deployment)], fault: null };
  const addresses = gateway.spec.addresses ?? [];
  const isName = (type: string | undefined): boolean => type === undefined || type === "Hostname";
  const hostnames = addresses
    .filter((a) => isName(a.type))
    .map(({ value = "" }) => (value.includes(".") ? value : qualified(value)));
  const others = addresses.filter((a) => !isName(a.type)).map((a) => a.value ?? "");
  if (others.length > 0)
    return {
      hostnames,
      fault: {
        reason: "UnsupportedAddress",
        message: `only names can be used, not ${others.join(", ").slice(0, 500)}`,
      },
    };
  if (gateway.metadata.annotations?.[SERVICE_TYPE] === undefined) return { hostnames, fault: null };
  const message = `the annotation ${SERVICE_TYPE} has no effect where the Gateway names its service`;
  return { hostnames, fault: { reason: "DeprecatedField", message } };
}

/** How far a Gateway's services can be reached on the ports of its listeners. */
export interface Reach {
  /** `hostname:port`, sorted. */
  readonly internal: readonly string[];
  readonly clusterIps: readonly string[];
  readonly external: readonly string[];
  /** Names whose outside address is not there yet. */
  readonly pending: ReadonlySet<string>;
  readonly warnings: readonly string[];
  /** Whether nothing is wrong that somebody would have to change. */
  readonly usable: boolean;
}

class Reaching {
  readonly internal = new Set<string>();
  readonly clusterIps = new Set<string>();
  readonly external = new Set<string>();
  readonly pending = new Set<string>();
  readonly warnings = new Set<string>();
  usable = true;

  look(hostname: string, port: number, service: GatewayService): void {
    if (service.ready.has(port)) return this.#ready(hostname, port, service);
    if (service.ready.size === 0) return void this.warnings.add(`no instance of ${hostname} is ready`);
    const meant = [...service.ready].filter(([, targets]) => targets.includes(port)).map(([p]) => p);
    // The endpoints of a service that was made for a Gateway may just be late.
    if (meant.length === 0 && service.managed && service.ports.includes(port)) return;
    const hint = meant.length === 0 ? "" : `: listeners name ports of the service, here ${meant.sort().join(", ")}`;
    this.warnings.add(`${hostname} has no port ${port}${hint}`);
    this.usable = false;
  }

  #ready(hostname: string, port: number, service: GatewayService): void {
    this.internal.add(`${hostname}:${port}`);
    for (const ip of service.clusterIps) this.clusterIps.add(ip);
    for (const address of service.externalAddresses) this.external.add(address);
    if (service.externalAddresses.length > 0 || service.type !== "LoadBalancer") return;
    this.pending.add(hostname);
    this.warnings.add(`the outside address of ${hostname} is pending`);
  }
}

export function reachOf(
  world: GatewayWorld,
  namespace: string,
  hostnames: readonly string[],
  ports: ReadonlySet<number>,
): Reach {
  const found = new Reaching();
  for (const hostname of hostnames) {
    const service = world.gatewayService(hostname, namespace);
    if (service === undefined) {
      found.warnings.add(`there is no ${hostname} in namespace ${namespace}`);
      found.usable = false;
    } else for (const port of ports) found.look(hostname, port, service);
  }
  const { pending, usable } = found;
  const sorted = (set: ReadonlySet<string>): readonly string[] => [...set].sort();
  return {
    internal: sorted(found.internal),
    clusterIps: sorted(found.clusterIps),
    external: sorted(found.external),
    warnings: sorted(found.warnings),
    ...{ pending, usable },
  };
}

/** Whether all the listeners are reached. */
export function programmed(reach: Reach, hostnames: readonly string[], problem: string | null): StatusCondition {
  const at = reach.internal.join(", ").slice(0, 2_000);
  const message = at === "" ? "everything is in place" : `reached at ${at}`;
  return holds("Programmed", { reason: "Programmed", message }, programmedFault(reach, hostnames, at, problem));
}

function programmedFault(reach: Reach, hostnames: readonly string[], at: string, problem: string | null): Fault | null {
  if (hostnames.length === 0) return { reason: "UnsupportedAddress", message: "none of its addresses can be used" };
  const why = [...(problem === null ? [] : [problem]), ...reach.warnings].join("; ");
  if (why === "") return null;
  const reason = problem === null && reach.usable ? "AddressNotAssigned" : "AddressNotUsable";
  return { reason, message: at === "" ? `not reached: ${why}` : `reached at ${at}, but not everywhere: ${why}` };
}

/** What is told of where it is: addresses of the outside, else names or addresses within the cluster; null: nothing yet. */
export function addressesOf(gateway: Gateway, info: ClassInfo, reach: Reach): readonly StatusAddress[] | null {
  if (reach.external.length > 0) return reach.external.map(addressOf);
  const wanted = gateway.metadata.annotations?.[ADDRESS_TYPE] ?? info.addressType;
  const names = reach.internal.map((at) => at.slice(0, at.lastIndexOf(":"))).filter((name) => !reach.pending.has(name));
  const values = [...(wanted === "Hostname" ? [] : reach.clusterIps), ...(wanted === "IPAddress" ? [] : names)];
  return values.length === 0 ? null : [...new Set(values)].map(addressOf);
}

const addressOf = (value: string): StatusAddress => ({
  type: /^[0-9.]+$/.test(value) || value.includes(":") ? "IPAddress" : "Hostname",
  value,
});
