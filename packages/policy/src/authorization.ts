import type { Cidr, SocketAddress } from "@lateen/addresses";
import type { SpiffeIdentity } from "@lateen/identity";

/** @see dataplane 7.1; the decoded form of `istio.security.Authorization` */
export type AuthorizationScope = "Global" | "Namespace" | "WorkloadSelector";
export type AuthorizationAction = "Allow" | "Deny";

export type StringMatch =
  | { readonly t: "exact"; readonly value: string }
  | { readonly t: "prefix"; readonly value: string }
  | { readonly t: "suffix"; readonly value: string }
  | { readonly t: "presence" };

export interface ServiceAccountMatch {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Every attribute group must hold; in a group: (no positives, or one hits) and no negative hits. */
export interface Match {
  readonly namespaces: readonly StringMatch[];
  readonly notNamespaces: readonly StringMatch[];
  readonly principals: readonly StringMatch[];
  readonly notPrincipals: readonly StringMatch[];
  readonly serviceAccounts: readonly ServiceAccountMatch[];
  readonly notServiceAccounts: readonly ServiceAccountMatch[];
  readonly sourceIps: readonly Cidr[];
  readonly notSourceIps: readonly Cidr[];
  readonly destinationIps: readonly Cidr[];
  readonly notDestinationIps: readonly Cidr[];
  readonly destinationPorts: readonly number[];
  readonly notDestinationPorts: readonly number[];
}

/** Any Match holds. */
export interface Clause {
  readonly matches: readonly Match[];
}
/** All clauses hold. */
export interface Rule {
  readonly clauses: readonly Clause[];
}

export interface Authorization {
  readonly name: string;
  readonly namespace: string;
  readonly scope: AuthorizationScope;
  readonly action: AuthorizationAction;
  /** Any rule holds. */
  readonly rules: readonly Rule[];
  readonly dryRun: boolean;
}

/** What L4 policy is asked about: who comes (null: no mutual TLS) from where, to which workload address. */
export interface Connection {
  readonly identity: SpiffeIdentity | null;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
}
