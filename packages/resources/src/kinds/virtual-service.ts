import { z } from "zod";
import { int32, uint32, word, wordMap, words } from "../istio-fields.ts";
import { list } from "../metadata.ts";
import { destination, httpRoute } from "./http-route.ts";

const l4 = {
  destinationSubnets: words,
  port: uint32.optional(),
  sourceLabels: wordMap,
  gateways: words,
  sourceNamespace: word,
};
const tcpMatch = z.strictObject({ ...l4, sourceSubnet: word });
export type TcpMatch = z.output<typeof tcpMatch>;
const tlsMatch = z.strictObject({ sniHosts: list(z.string().max(65_536)), ...l4 });
export type TlsMatch = z.output<typeof tlsMatch>;
const route = list(z.strictObject({ destination, weight: int32.optional() })).optional();
const tcpRoute = z.strictObject({ match: list(tcpMatch).optional(), route });
export type TcpRoute = z.output<typeof tcpRoute>;
const tlsRoute = z.strictObject({ match: list(tlsMatch), route });
export type TlsRoute = z.output<typeof tlsRoute>;

export const virtualServiceSpec = z.strictObject({
  hosts: words,
  gateways: words,
  http: list(httpRoute).optional(),
  tls: list(tlsRoute).optional(),
  tcp: list(tcpRoute).optional(),
  exportTo: words,
});
export type VirtualServiceSpec = z.output<typeof virtualServiceSpec>;
