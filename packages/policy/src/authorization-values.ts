import { parseCidr, parseIp } from "@lateen/addresses";

const MAX_SERVICE_ACCOUNTS = 16;
const MAX_SERVICE_ACCOUNT_CHARS = 320;
const STAR = "*";

/**
 * What is wrong with values that may carry one star, at their start or end; null when nothing is.
 * @see AuthorizationPolicy: `principals`, `namespaces`, `hosts` and their like
 */
export function checkWildcardValues(key: string, values: readonly string[]): string | null {
  for (const value of values) {
    if (value === "") return `${key}: an empty value is not allowed`;
    const star = value.indexOf(STAR);
    if (star < 0) continue;
    if (star !== value.lastIndexOf(STAR)) return `${key}: ${quoted(value)} has more than one "*"`;
    if (star !== 0 && star !== value.length - 1) return `${key}: ${quoted(value)} has its "*" neither first nor last`;
  }
  return null;
}

/** As `checkWildcardValues`, and no slash: a trust domain is the first part of an identity and nothing more. */
export function checkTrustDomainValues(key: string, values: readonly string[]): string | null {
  const slash = values.find((v) => v.includes("/"));
  return checkWildcardValues(key, values) ?? (slash === undefined ? null : `${key}: ${quoted(slash)} has a "/"`);
}

/** At most 16 values `account` or `namespace/account`, without stars, of at most 320 characters. */
export function checkServiceAccountValues(key: string, values: readonly string[]): string | null {
  if (values.length > MAX_SERVICE_ACCOUNTS) return `${key}: more than ${MAX_SERVICE_ACCOUNTS} values`;
  for (const value of values) {
    if (value.includes(STAR)) return `${key}: ${quoted(value)} has a "*"`;
    if (value.length > MAX_SERVICE_ACCOUNT_CHARS)
      return `${key}: ${quoted(value)} is longer than ${MAX_SERVICE_ACCOUNT_CHARS} characters`;
    const parts = value.split("/", 3);
    if (parts.length > 2 || parts.includes("")) return `${key}: ${quoted(value)} is not account or namespace/account`;
  }
  return null;
}

type Check = (key: string, values: readonly string[]) => string | null;

/** Conditions that are known by their whole key. */
const BY_KEY: Readonly<Record<string, Check>> = {
  "source.ip": checkAddresses,
  "remote.ip": checkAddresses,
  "source.namespace": anything,
  "source.serviceAccount": checkServiceAccountValues,
  "source.trustDomain": checkTrustDomainValues,
  "source.principal": anything,
  "request.auth.principal": anything,
  "request.auth.audiences": anything,
  "request.auth.presenter": anything,
  "destination.ip": checkAddresses,
  "destination.port": checkPorts,
  "connection.sni": anything,
  "destination.namespace": (key) => `${key}: a policy applies to its own namespace`,
  "destination.name": gone,
  "destination.user": gone,
};

/** Conditions of the form `key[name]`, known by how the key starts. */
const BY_PREFIX: readonly (readonly [string, Check])[] = [
  ["request.headers", checkMapKey],
  ["request.experimental.inline.headers", checkMapKey],
  ["request.auth.claims", checkMapKey],
  ["experimental.envoy.filters.", checkMapKey],
  ["destination.labels", (key) => `${key}: use the selector of the policy`],
];

/**
 * What is wrong with one `when` condition of an AuthorizationPolicy, its key or its values; null when nothing is. Keys
 * that only a waypoint can judge are legal here: where a policy may stand is decided elsewhere.
 */
export function checkCondition(key: string, values: readonly string[]): string | null {
  if (values.includes("")) return `${key}: an empty value is not allowed`;
  const exact = Object.hasOwn(BY_KEY, key) ? BY_KEY[key] : undefined;
  const check = exact ?? BY_PREFIX.find(([prefix]) => key.startsWith(prefix))?.[1];
  return check === undefined ? `${quoted(key)} is not a known condition` : check(key, values);
}

/**
 * Whether a value of a policy matches a text: `*` anything but the empty text, `x*` what starts with x, `*x` what ends
 * with x, else equality. Nothing in the pattern but that one star has a meaning.
 * @param prefix what the pattern leaves unsaid at its start, such as the `spiffe://` of a principal; `*` alone ignores it
 */
export function valueMatches(pattern: string, value: string, prefix = ""): boolean {
  if (pattern === STAR) return value !== "";
  if (pattern.startsWith(STAR)) {
    const suffix = pattern.slice(1);
    return value.length >= prefix.length + suffix.length && value.startsWith(prefix) && value.endsWith(suffix);
  }
  return pattern.endsWith(STAR) ? value.startsWith(prefix + pattern.slice(0, -1)) : value === prefix + pattern;
}

function anything(): null {
  return null;
}

function gone(key: string): string {
  return `${key}: this condition was removed from the API`;
}

function checkMapKey(key: string): string | null {
  const open = key.indexOf("[");
  return open > 0 && key.endsWith("]") && open < key.length - 2 ? null : `${quoted(key)} is not of the form key[name]`;
}

function checkAddresses(key: string, values: readonly string[]): string | null {
  const wrong = values.find((v) => !(v.includes("/") ? parseCidr(v) : parseIp(v)).ok);
  return wrong === undefined ? null : `${key}: ${quoted(wrong)} is not an IP address or CIDR block`;
}

function checkPorts(key: string, values: readonly string[]): string | null {
  const wrong = values.find((v) => !/^[0-9]{1,10}$/.test(v) || Number(v) > 65_535);
  return wrong === undefined ? null : `${key}: ${quoted(wrong)} is not a port`;
}

function quoted(s: string): string {
  return JSON.stringify(s.length <= 200 ? s : `${s.slice(0, 200)}…`);
}
