import { type Cidr, cidrContains, ipFromBytes, ipToBytes, parseCidr, parseIp } from "@lateen/addresses";
import { Code, MeshError } from "@lateen/errors";
import type { ServiceEntry } from "@lateen/resources";
import { compareAge, keyOf } from "./objects.ts";
import { wantsAddress } from "./service-entry.ts";

/** One address of a host, as it is written into the status of its ServiceEntry. */
export interface HostAddress {
  readonly value: string;
  readonly host: string;
}

export interface AllocationPlan {
  /** What `status.addresses` has to become, by key of the ServiceEntry; those that are right already are absent. */
  readonly changes: ReadonlyMap<string, readonly HostAddress[]>;
  /** Hosts, as `namespace/name host`, for which a pool has no address left. */
  readonly unserved: readonly string[];
}

export const DEFAULT_POOLS = ["240.240.0.0/16", "2001:2::/48"] as const;

/** An upper bound of what one plan looks at in a pool, so that a full pool does not stop everything else. */
const MAX_STEPS = 1 << 20;

class Pool {
  /** What was given to a host and may not stand in its status yet, by `namespace/name host`. */
  readonly given = new Map<string, string>();
  readonly #block: Cidr;
  readonly #size: bigint;
  #next = 1n;

  constructor(text: string) {
    const block = parseCidr(text);
    if (!block.ok) throw new MeshError(Code.BadInput, `Cannot allocate from ${JSON.stringify(text)}: it is no block`);
    this.#block = block.value;
    this.#size = 1n << BigInt(block.value.network.length * 8 - block.value.length);
  }

  holds(ip: string): boolean {
    return cidrContains(this.#block, ipToBytes(ip));
  }

  /** The next address upward that is free; null when there is none. What was passed is not looked at again. */
  take(isFree: (ip: string) => boolean): string | null {
    for (let step = 0; step < MAX_STEPS && this.#next < this.#size; step++) {
      const ip = this.#at(this.#next);
      this.#next += 1n;
      if (isFree(ip)) return ip;
    }
    return null;
  }

  #at(offset: bigint): string {
    const bytes = Uint8Array.from(this.#block.network);
    let rest = offset;
    for (let i = bytes.length - 1; i >= 0 && rest > 0n; i--) {
      rest += BigInt(bytes[i]!);
      bytes[i] = Number(rest & 255n);
      rest >>= 8n;
    }
    return ipFromBytes(bytes);
  }
}

/**
 * Gives addresses to hosts of ServiceEntries that have none: one of each pool. What an object says in its status it keeps, unless
 * an older one has it or somebody wrote it into a spec. Addresses that became free are not given again.
 * @see control-plane 2.8
 */
export class AddressAllocator {
  readonly #pools: readonly Pool[];
  /** Ever held by anybody. */
  readonly #used = new Set<string>();

  /** @throws MeshError BAD_INPUT for a pool that is no block */
  constructor(pools: readonly string[] = DEFAULT_POOLS) {
    this.#pools = pools.map((pool) => new Pool(pool));
  }

  /** @param entries all that there are: who holds what is read from their status */
  plan(entries: Iterable<ServiceEntry>): AllocationPlan {
    const aged = [...entries]
      .map((entry) => ({ entry, key: keyOf(entry), created: entry.metadata.creationTimestamp ?? "" }))
      .sort(compareAge);
    const written = writtenAddresses(aged.map((a) => a.entry));
    const owner = new Map<string, string>();
    const mayHold = (ip: string, host: string): boolean => (owner.get(ip) ?? host) === host && !written(ip);
    const held = aged.map(({ entry, key }) =>
      this.#keep(entry, (ip, host) => {
        const name = `${key} ${host}`;
        if (!mayHold(ip, name)) return false;
        owner.set(ip, name);
        this.#used.add(ip);
        return true;
      }),
    );
    const changes = new Map<string, readonly HostAddress[]>();
    const unserved: string[] = [];
    for (const [i, { entry, key }] of aged.entries()) {
      const wanted = this.#complete(entry, held[i] ?? [], (host) => unserved.push(`${key} ${host}`), mayHold);
      if (!sameAddresses(wanted, entry.status?.addresses ?? [])) changes.set(key, wanted);
    }
    return { changes, unserved };
  }

  /** What of its status the entry keeps: one address of each pool for each host that wants some. */
  #keep(
    entry: ServiceEntry,
    claim: (ip: string, host: string) => boolean,
  ): readonly (HostAddress & { readonly pool: Pool })[] {
    const kept: (HostAddress & { readonly pool: Pool })[] = [];
    for (const { value, host = "" } of entry.status?.addresses ?? []) {
      const ip = parseIp(value);
      const pool = ip.ok ? this.#pools.find((p) => p.holds(ip.value)) : undefined;
      if (!ip.ok || pool === undefined || !entry.spec.hosts.includes(host) || !wantsAddress(entry, host)) continue;
      if (kept.some((k) => k.host === host && k.pool === pool)) continue;
      if (claim(ip.value, host)) kept.push({ value: ip.value, host, pool });
    }
    return kept;
  }

  #complete(
    entry: ServiceEntry,
    kept: readonly (HostAddress & { readonly pool: Pool })[],
    onNone: (host: string) => void,
    mayHold: (ip: string, host: string) => boolean,
  ): readonly HostAddress[] {
    const hosts = [...new Set(entry.spec.hosts)].filter((host) => wantsAddress(entry, host));
    return hosts.flatMap((host) =>
      this.#pools.flatMap((pool): readonly HostAddress[] => {
        const own = kept.find((k) => k.host === host && k.pool === pool);
        if (own !== undefined) return [{ value: own.value, host }];
        const name = `${keyOf(entry)} ${host}`;
        const before = pool.given.get(name);
        const value =
          before !== undefined && mayHold(before, name)
            ? before
            : pool.take((ip) => !this.#used.has(ip) && mayHold(ip, name));
        if (value === null) {
          onNone(host);
          return [];
        }
        pool.given.set(name, value);
        this.#used.add(value);
        return [{ value, host }];
      }),
    );
  }
}

/** Whether somebody wrote the address, or a block around it, into a spec. */
function writtenAddresses(entries: readonly ServiceEntry[]): (ip: string) => boolean {
  const single = new Set<string>();
  const blocks: Cidr[] = [];
  for (const text of entries.flatMap((entry) => entry.spec.addresses ?? [])) {
    const cidr = parseCidr(text);
    if (!cidr.ok) continue;
    if (cidr.value.length === cidr.value.network.length * 8) single.add(ipFromBytes(cidr.value.network));
    else blocks.push(cidr.value);
  }
  return (ip) => single.has(ip) || blocks.some((block) => cidrContains(block, ipToBytes(ip)));
}

function sameAddresses(
  a: readonly HostAddress[],
  b: readonly { readonly value: string; readonly host?: string | undefined }[],
): boolean {
  return a.length === b.length && a.every((x, i) => x.value === b[i]?.value && x.host === b[i]?.host);
}
