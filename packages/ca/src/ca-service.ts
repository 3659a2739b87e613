import { Buffer } from "node:buffer";
import {
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { Code, type Result, fail, ok } from "@lateen/errors";
import { formatIdentity, parseIdentity } from "@lateen/identity";
import type { Logger } from "@lateen/telemetry";
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  createCertificateMethod,
  createIstioCertificateResponse,
  structToJson,
} from "@lateen/xds-types";
import type { Authority } from "./authority.ts";
import type { Caller, Proof } from "./caller.ts";
import { type ClusterNames, resolveCluster } from "./cluster-names.ts";
import type { Holder } from "./issue-record.ts";
import { type ImpersonationRules, type PodView, checkImpersonation } from "./impersonation.ts";

export interface CaServiceOptions {
  readonly authority: Authority;
  /** @returns DENIED with the reason, which is logged and never sent */
  readonly authenticate: (proof: Proof) => Result<Caller> | Promise<Result<Caller>>;
  readonly clusters: ClusterNames;
  /** The pods of a cluster by its own name, or null while they are not known. */
  readonly pods: (cluster: string) => PodView | null;
  readonly trustedNodeAccounts: readonly string[];
  /** Other names of the mesh's trust domain. */
  readonly trustDomainAliases?: readonly string[];
  readonly log: Pick<Logger, "info" | "warn">;
}

/** A gRPC status: `message` goes to the caller, `why` to the log. */
export interface Refusal {
  readonly code: "UNAUTHENTICATED" | "INVALID_ARGUMENT" | "INTERNAL" | "UNAVAILABLE";
  readonly message: string;
  readonly why: string;
}

const IMPERSONATED = "ImpersonatedIdentity";

/**
 * Answers one CreateCertificate. Who is calling decides what is issued; the request's own names count for nothing.
 * @see dataplane 9, control-plane 6
 */
export async function createCertificate(
  request: IstioCertificateRequest,
  call: Proof,
  o: CaServiceOptions,
): Promise<Result<IstioCertificateResponse, Refusal>> {
  const caller = await o.authenticate(call);
  if (!caller.ok) {
    const code = caller.error.code === Code.Unavailable ? "UNAVAILABLE" : "UNAUTHENTICATED";
    return refuse(code, "request authenticate failure", caller.error.message);
  }
  const uri = subjectOf(request, call, caller.value, o);
  if (!uri.ok) return refuse("UNAUTHENTICATED", "request impersonation authentication failure", uri.error);
  try {
    const { csr: csrPem, validityDuration: ttlSec } = request;
    const holder = holderOf(caller.value, o);
    const chain = await o.authority.sign({ csrPem, ttlSec, names: [{ t: "uri", value: uri.value }], holder });
    if (chain.ok) {
      o.log.info("certificate issued", { identity: uri.value, caller: caller.value.name });
      return ok(createIstioCertificateResponse({ certChain: [...chain.value] }));
    }
    const { code, message } = chain.error;
    return refuse(code === Code.BadInput ? "INVALID_ARGUMENT" : "INTERNAL", message, message);
  } catch (e) {
    return refuse("INTERNAL", "CSR signing error", e instanceof Error ? e.message : String(e));
  }
}

/** Node proxies say when they carry a new root; of others only the lifetime of what they got is known. */
function holderOf({ identity }: Caller, { trustedNodeAccounts }: CaServiceOptions): Holder {
  const account = identity === null ? "" : `${identity.namespace}/${identity.serviceAccount}`;
  return trustedNodeAccounts.includes(account) ? "proxy" : "other";
}

/** The identity to issue: the caller's own, or the one it asks for and may have. */
function subjectOf(
  request: IstioCertificateRequest,
  call: Proof,
  caller: Caller,
  o: CaServiceOptions,
): Result<string, string> {
  const asked = request.metadata === null ? undefined : structToJson(request.metadata)[IMPERSONATED];
  if (asked === undefined || asked === "") return ok(caller.name);
  const wanted = typeof asked === "string" ? parseIdentity(asked) : null;
  if (wanted === null) return fail(`${IMPERSONATED} is not a text`);
  if (!wanted.ok) return fail(wanted.error.message);
  const cluster = resolveCluster(call.clusters, o.clusters);
  if (!cluster.ok) return fail(cluster.error.message);
  const pods = o.pods(cluster.value);
  if (pods === null) return fail(`the pods of cluster ${cluster.value} are not known`);
  const trustDomains = [o.authority.trustDomain, ...(o.trustDomainAliases ?? [])];
  const rules: ImpersonationRules = { trustedNodeAccounts: o.trustedNodeAccounts, trustDomains, pods };
  const allowed = checkImpersonation(caller, wanted.value, rules);
  return allowed.ok ? ok(formatIdentity(wanted.value)) : fail(allowed.error.message);
}

function refuse(code: Refusal["code"], message: string, why: string): { readonly ok: false; readonly error: Refusal } {
  return fail({ code, message, why });
}

/** The service for a server of `@grpc/grpc-js`: `server.addService(definition, implementation)`. */
export function caService(o: CaServiceOptions): {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
} {
  const { requestSerialize, responseSerialize, ...method } = createCertificateMethod;
  const definition: ServiceDefinition = {
    CreateCertificate: {
      ...method,
      requestSerialize: (m: IstioCertificateRequest) => Buffer.from(requestSerialize(m)),
      responseSerialize: (m: IstioCertificateResponse) => Buffer.from(responseSerialize(m)),
    },
  };
  const handle = async (call: UnaryCall, done: sendUnaryData<IstioCertificateResponse>): Promise<void> => {
    const result = await createCertificate(call.request, callFacts(call), o);
    if (result.ok) return done(null, result.value);
    const { code, message, why } = result.error;
    o.log.warn("certificate refused", { peer: call.getPeer(), status: code, why });
    done({ code: status[code], details: message });
  };
  return {
    definition,
    implementation: {
      CreateCertificate: (call: UnaryCall, done: sendUnaryData<IstioCertificateResponse>) => void handle(call, done),
    },
  };
}

type UnaryCall = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;

/** Certificates are shown by the library only when TLS authorised them. */
function callFacts(call: UnaryCall): Proof {
  const values = (key: string): readonly string[] => call.metadata.get(key).map(String);
  return {
    authorization: values("authorization"),
    clusters: values("clusterid"),
    certificate: call.getAuthContext().sslPeerCertificate?.raw ?? null,
  };
}
