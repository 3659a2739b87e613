import type { Cidr } from "@lateen/addresses";
import type { Result } from "@lateen/errors";
import type { Authorization, Match, StringMatch } from "@lateen/policy";
import {
  type Address,
  type Match as WireMatch,
  type Authorization as WireAuthorization,
  type StringMatch as WireStringMatch,
  createAddress,
  createAuthorization,
  createClause,
  createMatch,
  createRule,
  createServiceAccountMatch,
  createStringMatch,
  decodeAuthorization as decodeWire,
  encodeAuthorization as encodeWire,
} from "./generated/authorization.ts";
import { Problems } from "./problems.ts";
import { checkResourceSize } from "./resource-bytes.ts";

const SCOPES = ["Global", "Namespace", "WorkloadSelector"] as const;
const ACTIONS = ["Allow", "Deny"] as const;

/** An unset match is dropped, which can leave its list without constraint (dataplane 7.4). */
function readString(wire: WireStringMatch): StringMatch[] {
  if (wire.exact !== null) return [{ t: "exact", value: wire.exact }];
  if (wire.prefix !== null) return [{ t: "prefix", value: wire.prefix }];
  if (wire.suffix !== null) return [{ t: "suffix", value: wire.suffix }];
  return wire.presence === null ? [] : [{ t: "presence" }];
}

function writeString(m: StringMatch): WireStringMatch {
  return createStringMatch(m.t === "presence" ? { presence: {} } : { [m.t]: m.value });
}

/** An address that is none is dropped (dataplane 7.4). */
function readBlock(wire: Address): Cidr[] {
  const { address, length } = wire;
  if ((address.length !== 4 && address.length !== 16) || length > address.length * 8) return [];
  const mask = (i: number): number => 0xff << Math.max(0, Math.min(8, 8 - (length - 8 * i)));
  return [{ network: address.map((x, i) => x & mask(i)), length }];
}

const writeBlock = (c: Cidr): Address => createAddress({ address: c.network, length: c.length });
const readPort = (port: number): number => port & 0xffff;

function readMatch(wire: WireMatch): Match {
  return {
    namespaces: wire.namespaces.flatMap(readString),
    notNamespaces: wire.notNamespaces.flatMap(readString),
    principals: wire.principals.flatMap(readString),
    notPrincipals: wire.notPrincipals.flatMap(readString),
    serviceAccounts: wire.serviceAccounts,
    notServiceAccounts: wire.notServiceAccounts,
    sourceIps: wire.sourceIps.flatMap(readBlock),
    notSourceIps: wire.notSourceIps.flatMap(readBlock),
    destinationIps: wire.destinationIps.flatMap(readBlock),
    notDestinationIps: wire.notDestinationIps.flatMap(readBlock),
    destinationPorts: wire.destinationPorts.map(readPort),
    notDestinationPorts: wire.notDestinationPorts.map(readPort),
  };
}

function writeMatch(m: Match): WireMatch {
  return createMatch({
    namespaces: m.namespaces.map(writeString),
    notNamespaces: m.notNamespaces.map(writeString),
    principals: m.principals.map(writeString),
    notPrincipals: m.notPrincipals.map(writeString),
    serviceAccounts: m.serviceAccounts.map(createServiceAccountMatch),
    notServiceAccounts: m.notServiceAccounts.map(createServiceAccountMatch),
    sourceIps: m.sourceIps.map(writeBlock),
    notSourceIps: m.notSourceIps.map(writeBlock),
    destinationIps: m.destinationIps.map(writeBlock),
    notDestinationIps: m.notDestinationIps.map(writeBlock),
    destinationPorts: [...m.destinationPorts],
    notDestinationPorts: [...m.notDestinationPorts],
  });
}

function fromWire(wire: WireAuthorization): Result<Authorization> {
  const problems = new Problems();
  if (wire.name === "") problems.add("name", "must not be empty");
  return problems.result({
    name: wire.name,
    namespace: wire.namespace,
    scope: problems.enumName("scope", SCOPES, wire.scope),
    action: problems.enumName("action", ACTIONS, wire.action),
    rules: wire.rules.map((rule) => ({
      clauses: rule.clauses.map((clause) => ({ matches: clause.matches.map(readMatch) })),
    })),
    dryRun: wire.dryRun,
  });
}

/** Decodes one `istio.security.Authorization`, as lax as ztunnel (dataplane 7.4). Nothing of the result refers to `bytes`. */
export function decodeAuthorization(bytes: Uint8Array): Result<Authorization> {
  const sized = checkResourceSize(bytes);
  if (!sized.ok) return sized;
  const wire = decodeWire(bytes);
  return wire.ok ? fromWire(wire.value) : wire;
}

/** The bytes of an `istio.security.Authorization`; equal policies give equal bytes. */
export function encodeAuthorization(policy: Authorization): Uint8Array {
  return encodeWire(
    createAuthorization({
      name: policy.name,
      namespace: policy.namespace,
      scope: SCOPES.indexOf(policy.scope),
      action: ACTIONS.indexOf(policy.action),
      rules: policy.rules.map((rule) =>
        createRule({
          clauses: rule.clauses.map((clause) => createClause({ matches: clause.matches.map(writeMatch) })),
        }),
      ),
      dryRun: policy.dryRun,
    }),
  );
}
