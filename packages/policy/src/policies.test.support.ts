import { parseCidr } from "@lateen/addresses";
import fc from "fast-check";
import type { Authorization, Connection, Match, StringMatch } from "./authorization.ts";

// Values from small pools, so that predicates hit about as often as they miss.
const names = ["", "a", "ab", "b", "td/ns/a/sa/x", "td/ns/ab/sa/y"];
const ips = ["10.0.0.1", "10.0.0.200", "10.1.0.1", "2001:db8::1", "2001:db8:1::1"];
const blocks = ["10.0.0.0/24", "10.0.0.1/32", "0.0.0.0/0", "2001:db8::/48", "::/0"].flatMap((text) => {
  const block = parseCidr(text);
  return block.ok ? [block.value] : [];
});

const arbString: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.record({
    t: fc.constantFrom("exact" as const, "prefix" as const, "suffix" as const),
    value: fc.constantFrom(...names, "x", "/sa/y", "td/"),
  }),
  fc.constant({ t: "presence" as const }),
);
const arbAccount = fc.record({ namespace: fc.constantFrom("a", "ab", "b"), serviceAccount: fc.constantFrom("x", "y") });
const few = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.array(item, { minLength: 1, maxLength: 2 }) },
  );

const arbMatch: fc.Arbitrary<Match> = fc.record({
  namespaces: few(arbString),
  notNamespaces: few(arbString),
  principals: few(arbString),
  notPrincipals: few(arbString),
  serviceAccounts: few(arbAccount),
  notServiceAccounts: few(arbAccount),
  sourceIps: few(fc.constantFrom(...blocks)),
  notSourceIps: few(fc.constantFrom(...blocks)),
  destinationIps: few(fc.constantFrom(...blocks)),
  notDestinationIps: few(fc.constantFrom(...blocks)),
  destinationPorts: few(fc.constantFrom(80, 443)),
  notDestinationPorts: few(fc.constantFrom(80, 443)),
});

export const arbPolicy: fc.Arbitrary<Authorization> = fc.record({
  name: fc.constantFrom("p", "q", "r", "s", "t"),
  namespace: fc.constantFrom("a", "b", "root"),
  scope: fc.constantFrom("Global" as const, "Namespace" as const, "WorkloadSelector" as const),
  action: fc.constantFrom("Allow" as const, "Deny" as const),
  rules: fc.array(
    fc.record({
      clauses: fc.array(fc.record({ matches: fc.array(arbMatch, { maxLength: 2 }) }), { maxLength: 2 }),
    }),
    { maxLength: 3 },
  ),
  dryRun: fc.boolean(),
});

const arbAddress = fc.record({ ip: fc.constantFrom(...ips), port: fc.constantFrom(80, 443, 8080) });

export const arbConnection: fc.Arbitrary<Connection> = fc.record({
  identity: fc.option(
    fc.record({
      trustDomain: fc.constantFrom("td", "other"),
      namespace: fc.constantFrom("a", "ab", "b"),
      serviceAccount: fc.constantFrom("x", "y"),
    }),
  ),
  source: arbAddress,
  destination: arbAddress,
});
