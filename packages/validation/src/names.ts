import { parseCidr, parseIp } from "@lateen/addresses";
import { quoted } from "./findings.ts";

// Checks of single texts: each returns what is wrong, or null. Istio's rules, which are wider than RFC 1123: upper case is allowed.

const LABEL = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
const WILDCARD_LABEL = /^(?:\*|(?:\*|\*-)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)$/;
const MAX_LABEL = 63;
const MAX_DOMAIN = 255;

export const isDnsLabel = (text: string): boolean => text.length <= MAX_LABEL && LABEL.test(text);

function lengthProblem(domain: string): string | null {
  if (domain === "") return "a domain name must not be empty";
  return domain.length > MAX_DOMAIN ? `the domain name is longer than ${MAX_DOMAIN} characters` : null;
}

/** The last label may be empty, as in `istio.io.`; it must not be a number. */
function labelsProblem(domain: string, rest = domain): string | null {
  const labels = rest.split(".");
  const top = labels.at(-1) ?? "";
  if (/^[-+]?\d+$/.test(top)) return `${quoted(domain)} is no domain name: its last part is a number`;
  for (const [i, label] of labels.entries()) {
    if (i === labels.length - 1 && label === "") return null;
    if (!isDnsLabel(label)) return `${quoted(domain)} is no domain name: ${quoted(label)} cannot be a part of one`;
  }
  return null;
}

/** A whole name, without wildcards. */
export const domainProblem = (domain: string): string | null => lengthProblem(domain) ?? labelsProblem(domain);

/** As `domainProblem`, and the first label may be `*`, or begin with it. */
export function wildcardDomainProblem(domain: string): string | null {
  const tooLong = lengthProblem(domain);
  if (tooLong !== null) return tooLong;
  const dot = domain.indexOf(".");
  const first = dot < 0 ? domain : domain.slice(0, dot);
  if (first.length > MAX_LABEL || !WILDCARD_LABEL.test(first))
    return `${quoted(domain)} is no domain name: ${quoted(first)} cannot begin one`;
  return dot < 0 ? null : labelsProblem(domain, domain.slice(dot + 1));
}

/**
 * As `wildcardDomainProblem`, for a VirtualService of a gateway: where it routes by SNI, names that gateways make of clusters
 * are allowed: `outbound_.80_._.a.example`.
 */
export function gatewayDomainProblem(domain: string, o: { readonly bySni: boolean }): string | null {
  const tooLong = lengthProblem(domain);
  if (tooLong !== null) return tooLong;
  if (!o.bySni || !domain.startsWith("outbound_")) return wildcardDomainProblem(domain);
  const [, port = "", , host = ""] = domain.split("_");
  const wellFormed = domain.split("_").length >= 4 && /\d/.test(port) && /[a-zA-Z]/.test(host);
  return wellFormed ? null : `${quoted(domain)} is no name of a cluster: write outbound_.PORT_._.HOST`;
}

/** `*` within a name, other than as a whole label, says less than it seems to. */
export function partialWildcardProblem(host: string): string | null {
  if (!host.includes("*") || host === "*" || host.startsWith("*.")) return null;
  return `${quoted(host)}: a "*" can only stand for whole first parts, as in "*.example.com"`;
}

export function trustDomainProblem(domain: string): string | null {
  if (domain === "") return "a trust domain must not be empty";
  const labels = domain.split(".");
  const wrong = labels.find((label, i) => !isDnsLabel(label) && !(label === "" && i === labels.length - 1));
  return wrong === undefined ? null : `${quoted(domain)} is no trust domain`;
}

export const isIpAddress = (text: string): boolean => parseIp(text).ok;
export const ipProblem = (text: string): string | null =>
  isIpAddress(text) ? null : `${quoted(text)} is not an IP address`;

/** An address, or a block of them. */
export function subnetProblem(text: string): string | null {
  if (!text.includes("/")) return ipProblem(text);
  return parseCidr(text).ok && /\/(0|[1-9]\d*)$/.test(text) ? null : `${quoted(text)} is not an IP block`;
}

export function portProblem(port: number): string | null {
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? null : `${port} is not a port: it must be 1 to 65535`;
}
export const portNameProblem = (name: string): string | null =>
  isDnsLabel(name) ? null : `${quoted(name)} is not the name of a port`;

export const SOCKET = "unix://";
/** Of what follows `unix://`: a path of a file from the root, or an abstract name that begins with `@`. */
export function socketProblem(path: string): string | null {
  if (path === "") return "a Unix socket must have a path";
  if (path.startsWith("@")) return null;
  return path.startsWith("/") && !path.endsWith("/") ? null : `${quoted(path)} is not an absolute path of a file`;
}

const NAME = "(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const PART = LABEL.source.slice(1, -1);
const LABEL_KEY = new RegExp(`^(?:(${PART}(?:\\.${PART})*)/)?(${NAME})$`);
const LABEL_VALUE = new RegExp(`^(?:${NAME})?$`);

function labelKeyProblem(key: string): string | null {
  const [all, prefix = "", name = ""] = LABEL_KEY.exec(key) ?? [];
  const fits = all !== undefined && prefix.length <= 253 && name.length <= MAX_LABEL;
  return fits ? null : `${quoted(key)} cannot be the key of a label`;
}

/** What is wrong with labels that are given to something. */
export function labelsProblemOf(labels: Readonly<Record<string, string>> | undefined): string | null {
  for (const [key, value] of Object.entries(labels ?? {})) {
    const wrong = labelKeyProblem(key);
    if (wrong !== null) return wrong;
    if (!LABEL_VALUE.test(value)) return `${quoted(value)} cannot be the value of a label`;
  }
  return null;
}

/** `namespace/host` of a gateway or of what a Sidecar imports. */
export function scopedHostProblem(
  text: string,
  o: { readonly of: "gateway" | "sidecar"; readonly fromGatewayApi?: boolean },
): string | null {
  const slash = text.indexOf("/");
  if (slash < 0) return o.of === "gateway" ? importedHostProblem(text, o.of) : `${quoted(text)}: write NAMESPACE/HOST`;
  const [namespace, host] = [text.slice(0, slash), text.slice(slash + 1)];
  if (namespace === "" || host === "") return `${quoted(text)}: neither the namespace nor the host may be empty`;
  return namespaceProblem(namespace, o) ?? importedHostProblem(host, o.of);
}

function namespaceProblem(
  text: string,
  o: { readonly of: "gateway" | "sidecar"; readonly fromGatewayApi?: boolean },
): string | null {
  const bare = o.of === "sidecar" ? text.replace(/^~/, "") : text;
  if (bare === "*" || bare === "." || isDnsLabel(bare)) return null;
  if (o.of === "sidecar" ? bare === "" : bare === "~" && o.fromGatewayApi === true) return null;
  return `${quoted(text)} is not a namespace, "." or "*"`;
}

function importedHostProblem(host: string, of: "gateway" | "sidecar"): string | null {
  if (host !== "*" && !host.includes(".")) return `${quoted(host)} is a short name: write the whole one`;
  const wrong = of === "gateway" && isIpAddress(host) ? null : wildcardDomainProblem(host);
  return wrong ?? partialWildcardProblem(host);
}
