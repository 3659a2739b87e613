import { type Cidr, cidrContains, ipToBytes } from "@lateen/addresses";
import { networkKey, serviceKey } from "./keys.ts";
import type { NetworkAddress, Service } from "./model.ts";

interface Block {
  readonly cidr: Cidr;
  readonly service: Service;
}

/** A service found by a block, with the length of that block. */
export interface BlockMatch {
  readonly service: Service;
  readonly length: number;
}

const byKey = (a: Service, b: Service): number => {
  const [x, y] = [serviceKey(a), serviceKey(b)];
  return x < y ? -1 : x > y ? 1 : 0;
};

function toBlock(a: NetworkAddress): Cidr | null {
  const bytes = ipToBytes(a.ip);
  if (a.length === null || a.length >= bytes.length * 8) return null;
  const length = a.length;
  return { network: bytes.map((x, i) => x & (0xff << Math.max(0, Math.min(8, 8 - (length - 8 * i))))), length };
}

function put<T>(map: Map<string, readonly T[]>, key: string, list: readonly T[]): void {
  if (list.length === 0) map.delete(key);
  else map.set(key, list);
}

/** Services by virtual IP and by block, each list in the order of the services' keys: arrival order never matters. */
export class AddressIndex {
  readonly #byVip = new Map<string, readonly Service[]>();
  readonly #byNetwork = new Map<string, readonly Block[]>();
  readonly #byHostname = new Map<string, readonly Service[]>();

  add(service: Service): void {
    put(this.#byHostname, service.hostname, [...(this.#byHostname.get(service.hostname) ?? []), service].sort(byKey));
    for (const address of service.addresses) {
      const cidr = toBlock(address);
      if (cidr !== null) {
        const there = this.#byNetwork.get(address.network) ?? [];
        put(
          this.#byNetwork,
          address.network,
          [...there, { cidr, service }].sort((a, b) => byKey(a.service, b.service)),
        );
        continue;
      }
      const key = networkKey(address.network, address.ip);
      const there = this.#byVip.get(key) ?? [];
      if (!there.includes(service)) put(this.#byVip, key, [...there, service].sort(byKey));
    }
  }

  remove(service: Service): void {
    const without = (list: readonly Service[] | undefined): readonly Service[] =>
      (list ?? []).filter((s) => s !== service);
    put(this.#byHostname, service.hostname, without(this.#byHostname.get(service.hostname)));
    for (const address of service.addresses) {
      const key = networkKey(address.network, address.ip);
      put(this.#byVip, key, without(this.#byVip.get(key)));
      const blocks = this.#byNetwork.get(address.network) ?? [];
      put(
        this.#byNetwork,
        address.network,
        blocks.filter((b) => b.service !== service),
      );
    }
  }

  vip(network: string, ip: string): readonly Service[] {
    return this.#byVip.get(networkKey(network, ip)) ?? [];
  }

  hostname(hostname: string): readonly Service[] {
    return this.#byHostname.get(hostname) ?? [];
  }

  blocks(network: string, ip: string): readonly BlockMatch[] {
    const blocks = this.#byNetwork.get(network);
    if (!blocks) return [];
    const bytes = ipToBytes(ip);
    return blocks
      .filter((b) => cidrContains(b.cidr, bytes))
      .map((b) => ({ service: b.service, length: b.cidr.length }));
  }
}
