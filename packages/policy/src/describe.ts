import { type Cidr, ipFromBytes } from "@lateen/addresses";
import type { Connection, Match, ServiceAccountMatch, StringMatch } from "./authorization.ts";
import type { Attribute, MatchVerdict } from "./match.ts";
import type { Subject } from "./subject.ts";

/** `network/length` of a block. */
export function formatBlock(block: Cidr): string {
  return `${ipFromBytes(block.network)}/${block.length}`;
}

function formatStringMatch(m: StringMatch): string {
  switch (m.t) {
    case "exact":
      return JSON.stringify(m.value);
    case "prefix":
      return `${JSON.stringify(m.value)}…`;
    case "suffix":
      return `…${JSON.stringify(m.value)}`;
    case "presence":
      return "any";
  }
}

const formatAccount = (m: ServiceAccountMatch): string => `${m.namespace}/${m.serviceAccount}`;

function askedFor(match: Match, attribute: Attribute, negative: boolean): readonly string[] {
  switch (attribute) {
    case "destinationPorts":
      return (negative ? match.notDestinationPorts : match.destinationPorts).map(String);
    case "namespaces":
      return (negative ? match.notNamespaces : match.namespaces).map(formatStringMatch);
    case "principals":
      return (negative ? match.notPrincipals : match.principals).map(formatStringMatch);
    case "serviceAccounts":
      return (negative ? match.notServiceAccounts : match.serviceAccounts).map(formatAccount);
    case "sourceIps":
      return (negative ? match.notSourceIps : match.sourceIps).map(formatBlock);
    case "destinationIps":
      return (negative ? match.notDestinationIps : match.destinationIps).map(formatBlock);
  }
}

function compared(attribute: Attribute, subject: Subject, connection: Connection): string {
  const { identity } = subject;
  switch (attribute) {
    case "destinationPorts":
      return `destination port ${connection.destination.port}`;
    case "namespaces":
      return identity === null ? "source namespace (none, plaintext)" : `source namespace "${identity.namespace}"`;
    case "principals":
      return subject.principal === null ? "principal (none, plaintext)" : `principal "${subject.principal}"`;
    case "serviceAccounts":
      return identity === null
        ? "service account (none, plaintext)"
        : `service account ${identity.namespace}/${identity.serviceAccount}`;
    case "sourceIps":
      return `source ${connection.source.ip}`;
    case "destinationIps":
      return `destination ${connection.destination.ip}`;
  }
}

/** The failed attribute of a verdict in words: what the connection has, and what the match asked for. */
export function describeAttribute(
  match: Match,
  verdict: MatchVerdict,
  subject: Subject,
  connection: Connection,
): { readonly is: string; readonly asked: string } {
  const attribute = verdict.attribute;
  if (attribute === null) return { is: "the connection", asked: "anything" };
  return {
    is: compared(attribute, subject, connection),
    asked: askedFor(match, attribute, verdict.why === "excluded").join(" or "),
  };
}
