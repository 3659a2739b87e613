import { Buffer } from "node:buffer";
import { CA_FILES, type KeyStore } from "@lateen/ca";
import { Code, MeshError } from "@lateen/errors";
import { type ApiClient, SECRETS, failureError, objectAccess, writtenAs } from "@lateen/kube";
import { z } from "zod";

/** Made by us, or by Istio before us (control-plane 6.4). */
export const CA_SECRET = "istio-ca-secret";
/** Made by somebody else: an intermediate with its chain and roots. */
export const PLUGGED_SECRET = "cacerts";
const CA_TYPE = "istio.io/ca-root";

const secret = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  data: z.record(z.string(), z.string()).default({}),
});
type Found = { readonly version: string; readonly files: ReadonlyMap<string, string> };

/** Two replicas wrote at the same time: whoever lost reads again. */
export class SecretChanged extends MeshError {
  constructor(name: string) {
    super(Code.Unavailable, `Cannot write Secret ${name}: another replica was faster`);
  }
}

/** Signing material in Secrets of the control plane's namespace. */
export class SecretStore implements KeyStore {
  readonly name: string;
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #plugged: boolean;
  #found: Found | null;

  private constructor(
    client: ApiClient,
    namespace: string,
    o: { readonly found: Found | null; readonly plugged: boolean },
  ) {
    this.#client = client;
    this.#namespace = namespace;
    this.#found = o.found;
    this.#plugged = o.plugged;
    this.name = `Secret ${namespace}/${o.plugged ? PLUGGED_SECRET : CA_SECRET}`;
  }

  /** Plugged-in material if there is some, else our own. @throws MeshError when the Secrets cannot be read */
  static async open(client: ApiClient, namespace: string): Promise<SecretStore> {
    const plugged = await readSecret(client, namespace, PLUGGED_SECRET);
    if (plugged !== null) return new SecretStore(client, namespace, { found: asCaFiles(plugged), plugged: true });
    const found = await readSecret(client, namespace, CA_SECRET);
    return new SecretStore(client, namespace, { found, plugged: false });
  }

  read(name: string): Promise<string | null> {
    const text = this.#found?.files.get(name) ?? "";
    // A root that signs itself stands twice in Istio's Secret; ours is known by there being no other root.
    const same = name === CA_FILES.roots && !this.#plugged && text === this.#found?.files.get(CA_FILES.certificate);
    return Promise.resolve(text === "" || same ? null : text);
  }

  async write(name: string, text: string): Promise<void> {
    if (this.#plugged)
      throw new MeshError(Code.Unavailable, `Cannot write ${this.name}: its owner must renew what it holds`);
    const files = new Map(this.#found?.files).set(name, text);
    if (name === CA_FILES.certificate) files.set(CA_FILES.roots, text);
    const version = this.#found?.version;
    const object = {
      ...writtenAs(SECRETS),
      metadata: {
        name: CA_SECRET,
        namespace: this.#namespace,
        ...(version === undefined ? {} : { resourceVersion: version }),
      },
      type: CA_TYPE,
      data: Object.fromEntries([...files].map(([file, content]) => [file, Buffer.from(content).toString("base64")])),
    };
    const secrets = objectAccess(this.#client, SECRETS);
    const owner = { owner: "lateen-ca" };
    const answer = await (version === undefined ? secrets.create(object, owner) : secrets.replace(object, owner));
    if (!answer.ok)
      throw answer.error.status === 409
        ? new SecretChanged(this.name)
        : failureError(answer.error, `write ${this.name}`);
    this.#found = parseSecret(answer.value, this.name);
  }
}

async function readSecret(client: ApiClient, namespace: string, name: string): Promise<Found | null> {
  const answer = await objectAccess(client, SECRETS).get({ namespace, name });
  if (answer.ok) return parseSecret(answer.value, `Secret ${namespace}/${name}`);
  if (answer.error.status === 404) return null;
  throw failureError(answer.error, `read Secret ${namespace}/${name}`);
}

function parseSecret(raw: unknown, name: string): Found {
  const parsed = secret.safeParse(raw);
  if (!parsed.success) throw new MeshError(Code.Unavailable, `Cannot read ${name}: the answer is no Secret`);
  const decode = (text: string): string => Buffer.from(text, "base64").toString("utf8");
  return {
    version: parsed.data.metadata.resourceVersion,
    files: new Map(Object.entries(parsed.data.data).map(([file, text]) => [file, decode(text)])),
  };
}

const END = "-----END CERTIFICATE-----";

/** cert-manager's names and Istio's: `tls.crt` is the signing certificate and what stands above it. */
function asCaFiles(found: Found): Found {
  const { files } = found;
  const chain = files.get("tls.crt");
  const key = files.get("tls.key");
  if (files.has(CA_FILES.key) || chain === undefined || key === undefined) return found;
  const end = chain.indexOf(END);
  const first = end < 0 ? chain : chain.slice(0, end + END.length);
  const named = new Map([
    [CA_FILES.key, key],
    [CA_FILES.certificate, `${first}\n`],
    [CA_FILES.chain, chain],
    [CA_FILES.roots, files.get("ca.crt") ?? ""],
  ] as const);
  return { version: found.version, files: named };
}
