import { webcrypto } from "node:crypto";
import {
  type Certificate,
  type IssuedName,
  type Issuer,
  type SigningRequest,
  type Subject,
  createSigner,
  encodePem,
  exportPrivateKey,
  generateKeyPair,
  issueAuthority,
  issueLeaf,
  issueRoot,
  parseSigningRequest,
  verifySigningRequest,
} from "@lateen/certificates";
import { Code, MeshError, type Result, fail, ok } from "@lateen/errors";
import { CA_FILES, type KeyStore, type Root, loadRoot } from "./root-store.ts";
import { type Holder, IssueRecord, type Issued, beginIssued, readIssued } from "./issue-record.ts";
import { openPrivateFolder } from "./private-folder.ts";
import { createQuickSigner, createQuickVerifier, quickCrypto } from "./quick-signatures.ts";
import { ROTATION_FILE, formatRotation } from "./rotation-file.ts";
import { type RootPair, type Rotation, type RotationInput, stepRotation } from "./rotation-machine.ts";
import { refuseSuccessor, unfit } from "./successor.ts";

const DAY_SEC = 86_400;
/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_COMMON_NAME = 64;

export interface AuthorityOptions {
  /**
   * A folder, kept with mode 0700 and made when it does not exist; or another store; or what opens one, called anew for each look,
   * for stores whose content is read when they are opened.
   */
  readonly keys: string | KeyStore | (() => Promise<KeyStore>);
  readonly trustDomain: string;
  readonly nowMs: () => number;
  /** When a request asks for none: 24 h. */
  readonly defaultTtlSec?: number;
  /** A longer wish is refused, not cut: 90 days. */
  readonly maxTtlSec?: number;
  /** Of a root made here: 10 years. */
  readonly rootTtlSec?: number;
  /** A root made here is renewed when less of its life than this remains: 0.2. */
  readonly renewShare?: number;
}

export interface SignOptions {
  /** PKCS#10, PEM. Only its key is used: names come from who the caller is. */
  readonly csrPem: string;
  readonly names: readonly IssuedName[];
  /** 0 or less takes the default. */
  readonly ttlSec: number;
  /** For another authority below this one, such as that of a second cluster, instead of for a workload. */
  readonly authority?: boolean;
  /** Who gets it, for rotations to wait for: 'other'. */
  readonly holder?: Holder;
}

/** Signs with the key of one mesh. */
export interface Authority {
  readonly trustDomain: string;
  /** The trust anchors, PEM, one after the other; that of what signs comes first where there was a choice. */
  readonly rootsPem: string;
  /** Leaf first: what signs, and what stands between it and its root. PEM. */
  readonly signingPem: readonly string[];
  /** Whether the root was made here, or plugged in by somebody who then has to change it too. */
  readonly kind: "own" | "given";
  /** How far a change of the root has come. */
  readonly rotation: Rotation;
  /** When what signs or the roots last changed, as far as this process has seen it. */
  readonly changedMs: number;
  /** Until when what was issued may be in use. */
  readonly issued: Issued;
  /**
   * Begins a rotation to a new root, rolls back the one under way, or takes it a step further. Written to the store first, from
   * which every replica goes on.
   * @param serial of the state that the decision was made on: another one has moved it meanwhile
   * @returns BAD_INPUT with why that cannot be, UNAVAILABLE when the store cannot be written or somebody was faster
   */
  step(what: "rotate" | "rollback" | "advance", serial?: number): Promise<Result<Rotation>>;
  /** Problems that did not stop it, such as a root that could not be renewed, or keys in the store that it must not take. */
  readonly problems: readonly string[];
  /**
   * Looks at the store again: renews a root of its own that is due, and takes what was changed there, if that fits together and
   * cuts nobody off. What is refused, or cannot be read, is among `problems`, and the last good state stays.
   */
  reload(): Promise<void>;
  /** Hears of every change of what signs or of the roots, after it is in force. */
  onChange(listener: () => void): Disposable;
  /**
   * Issues to the key of a request.
   * @returns leaf, intermediates, root bundle, each PEM with a newline at its end; BAD_INPUT when request or lifetime are refused
   */
  sign(o: SignOptions): Promise<Result<readonly string[]>>;
  /** A key and certificate for a server of the control plane itself. */
  issueServer(o: { readonly names: readonly IssuedName[]; readonly ttlSec: number }): Promise<{
    readonly keyPem: string;
    readonly chainPem: string;
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
  }>;
}

/**
 * Opens the authority whose keys are kept in a store, making its root first when that is empty. A root in its last fifth is renewed
 * with the same key, so that what it signed stays valid.
 * @throws MeshError BAD_INPUT for a folder or key that others could read, or files that do not fit together;
 *   UNAVAILABLE when the disk refuses
 * @see control-plane 6.2, 6.4
 */
export async function openAuthority(o: AuthorityOptions): Promise<Authority> {
  const open = opener(o.keys);
  const store = await open();
  const root = await loadRoot(store, rootOptions(o));
  // Of what others issued before anything was noted only the usual lifetime is known.
  const usualMs = (o.defaultTtlSec ?? DAY_SEC) * 1_000;
  const guess = { longestMs: usualMs, othersUntilMs: o.nowMs() + usualMs };
  const issued = root.isNew ? await beginIssued(store) : ((await readIssued(store)) ?? guess);
  return new StoredAuthority(o, open, { material: await materialOf(root), issued });
}

function opener(keys: AuthorityOptions["keys"]): () => Promise<KeyStore> {
  if (typeof keys === "string") return () => openPrivateFolder(keys);
  return typeof keys === "function" ? keys : () => Promise.resolve(keys);
}

const rootOptions = (o: AuthorityOptions): Parameters<typeof loadRoot>[1] => ({
  organization: o.trustDomain,
  nowMs: o.nowMs(),
  rootTtlSec: o.rootTtlSec ?? 3650 * DAY_SEC,
  ...(o.renewShare === undefined ? {} : { renewShare: o.renewShare }),
});

/** What signs. Never changed: another one takes its place as a whole. */
interface Material {
  readonly root: Root;
  readonly issuer: Issuer;
  /** Intermediates, PEM. */
  readonly chain: readonly string[];
}

async function materialOf(root: Root): Promise<Material> {
  const signer = await createQuickSigner(root.keys);
  return { root, issuer: { certificate: root.certificate, signer }, chain: root.intermediates.map(toPem) };
}

class StoredAuthority implements Authority {
  readonly trustDomain: string;
  readonly #o: AuthorityOptions;
  readonly #open: () => Promise<KeyStore>;
  readonly #verify = createQuickVerifier();
  readonly #listeners = new Set<() => void>();
  #material: Material;
  readonly #record: IssueRecord;
  #changedMs: number;
  /** Why the store's content is not in force. */
  #refused: string | null = null;
  /** Looks at the store one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    o: AuthorityOptions,
    open: () => Promise<KeyStore>,
    from: { readonly material: Material; readonly issued: Issued },
  ) {
    this.trustDomain = o.trustDomain;
    this.#o = o;
    this.#open = open;
    this.#material = from.material;
    this.#record = new IssueRecord(open, o.nowMs, from.issued);
    this.#changedMs = o.nowMs();
  }

  get rootsPem(): string {
    return this.#material.root.rootsPem;
  }
  get signingPem(): readonly string[] {
    const { root, chain } = this.#material;
    const own = toPem(root.certificate);
    return chain.includes(own) ? chain : [own, ...chain];
  }
  get kind(): Root["kind"] {
    return this.#material.root.kind;
  }
  get rotation(): Rotation {
    return this.#material.root.rotation;
  }
  get changedMs(): number {
    return this.#changedMs;
  }
  get issued(): Issued {
    return this.#record.known;
  }
  get problems(): readonly string[] {
    return [...this.#material.root.problems, ...(this.#refused === null ? [] : [this.#refused])];
  }

  reload(): Promise<void> {
    const done = this.#last.then(() => this.#reload());
    this.#last = done;
    return done;
  }

  step(what: "rotate" | "rollback" | "advance", serial?: number): Promise<Result<Rotation>> {
    const done = this.#last.then(() => this.#step(what, serial));
    this.#last = done.catch(() => undefined); // who asked for it hears of it
    return done;
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async sign({ csrPem, names, ttlSec, authority, holder = "other" }: SignOptions): Promise<Result<readonly string[]>> {
    const { defaultTtlSec = DAY_SEC, maxTtlSec = 90 * DAY_SEC } = this.#o;
    const wanted = ttlSec > 0 ? ttlSec : defaultTtlSec;
    if (wanted > maxTtlSec)
      return fail(
        new MeshError(Code.BadInput, `Cannot issue: lifetime of ${wanted} s is over the limit of ${maxTtlSec} s`),
      );
    const parsed = parseSigningRequest(csrPem);
    const request = parsed.ok ? await verifySigningRequest(parsed.value, this.#verify) : parsed;
    if (!request.ok) return request;
    const { publicKey } = request.value;
    const { issuer, chain, root } = this.#material;
    const subject = dualUseSubject(request.value, names);
    const what = { issuer, publicKey, subject, sans: names, nowMs: this.#o.nowMs(), ttlSec: wanted };
    const issued = await (authority === true ? issueAuthority : issueLeaf)(quickCrypto, what);
    await this.#record.note(wanted * 1_000, holder);
    return ok([toPem(issued), ...chain, root.rootsPem]);
  }

  async issueServer({ names, ttlSec }: Parameters<Authority["issueServer"]>[0]): ReturnType<Authority["issueServer"]> {
    const { issuer, chain } = this.#material;
    const keys = await generateKeyPair(webcrypto);
    const { publicKey } = await createSigner(webcrypto, keys);
    const leaf = await issueLeaf(webcrypto, { issuer, publicKey, sans: names, nowMs: this.#o.nowMs(), ttlSec });
    const { notBeforeMs, notAfterMs } = leaf;
    const keyPem = await exportPrivateKey(webcrypto, keys);
    return { keyPem, chainPem: [toPem(leaf), ...chain].join(""), notBeforeMs, notAfterMs };
  }

  async #reload(): Promise<void> {
    try {
      let { root, name } = await this.#load();
      // Another replica may have renewed the root in the same moment.
      if (root.problems.length > 0) ({ root, name } = await this.#load());
      const why = this.#refusal(root);
      this.#refused = why === null ? null : `Cannot take the new keys in ${name}, the old ones stay: ${why}`;
      if (why === null) await this.#take(root);
    } catch (e) {
      this.#refused = e instanceof Error ? e.message : String(e);
    }
  }

  /** Steps of a rotation went through their gates, also those that this replica missed. */
  #refusal(root: Root): string | null {
    const now = this.#material.root;
    return root.rotation.serial > now.rotation.serial
      ? unfit(root, this.#o.nowMs())
      : refuseSuccessor(now, root, this.#o.nowMs());
  }

  async #step(what: RotationInput["t"], serial?: number): Promise<Result<Rotation>> {
    const cannot = (code: Code, why: string): Result<Rotation> =>
      fail(new MeshError(code, `Cannot ${WORDS[what]}: ${why}`));
    try {
      const store = await this.#open();
      const root = await loadRoot(store, { ...rootOptions(this.#o), empty: "refuse" });
      if (serial !== undefined && serial !== root.rotation.serial)
        return cannot(Code.Unavailable, "another replica was faster");
      if (root.kind === "given")
        return cannot(Code.BadInput, `the keys in ${store.name} were plugged in: who made them changes them`);
      const why = this.#refusal(root);
      if (why !== null) return cannot(Code.BadInput, `${store.name} holds what is not in force: ${why}`);
      this.#record.merge(await readIssued(store));
      const input = what === "rotate" ? await this.#rotateFrom(root, store) : { t: what };
      const next = stepRotation(root.rotation, input, { nowMs: this.#o.nowMs(), ...this.#record.known });
      if (!next.ok) return cannot(Code.BadInput, next.error);
      await keepRotation(store, root.rotation, next.value);
    } catch (e) {
      if (MeshError.is(e)) return fail(e);
      throw e;
    }
    await this.#reload();
    return ok(this.rotation);
  }

  async #rotateFrom(root: Root, store: KeyStore): Promise<RotationInput> {
    const keys = await generateKeyPair(webcrypto);
    const { organization, nowMs, rootTtlSec: ttlSec } = rootOptions(this.#o);
    const made = await issueRoot(webcrypto, {
      signer: await createSigner(webcrypto, keys),
      organization,
      nowMs,
      ttlSec,
    });
    const next = { keyPem: await exportPrivateKey(webcrypto, keys), certPem: toPem(made) };
    return { t: "rotate", current: await currentPair(root, store), next };
  }

  async #load(): Promise<{ readonly root: Root; readonly name: string }> {
    const store = await this.#open();
    return { root: await loadRoot(store, { ...rootOptions(this.#o), empty: "refuse" }), name: store.name };
  }

  async #take(root: Root): Promise<void> {
    const next = await materialOf(root);
    const before = this.#material;
    this.#material = next;
    const isSame = before.root.rootsPem === root.rootsPem && same(before.root.certificate, root.certificate);
    if (isSame && before.chain.join("") === next.chain.join("")) return;
    this.#changedMs = this.#o.nowMs();
    for (const listener of this.#listeners) listener();
  }
}

const WORDS = {
  rotate: "rotate the root",
  rollback: "roll back the root",
  advance: "go on with the rotation",
} as const;

/** What signs, as the store has it: a key of somebody else's making is kept in their form. */
async function currentPair({ rotation, certificate }: Root, store: KeyStore): Promise<RootPair> {
  if (rotation.phase !== "none") return rotation.current;
  return { keyPem: (await store.read(CA_FILES.key, "secret")) ?? "", certPem: toPem(certificate) };
}

/** The end of a rotation is written last: until then its file says what signs, whatever stands in the others. */
async function keepRotation(store: KeyStore, before: Rotation, next: Rotation): Promise<void> {
  if (next.phase === "none" && before.phase !== "none") {
    await store.write(CA_FILES.key, before.current.keyPem, "secret");
    await store.write(CA_FILES.certificate, before.current.certPem, "public");
  }
  await store.write(ROTATION_FILE, formatRotation(next), "secret");
}

const same = (a: Certificate, b: Certificate): boolean =>
  a.der.length === b.der.length && a.der.every((x, i) => x === b.der[i]);

/** A request with a common name gets its first name there too, for peers that look nowhere else (control-plane 6.2). */
function dualUseSubject({ hasCommonName }: SigningRequest, [first]: readonly IssuedName[]): Subject {
  if (!hasCommonName || first === undefined || first.value.length > MAX_COMMON_NAME) return {};
  return { commonName: first.value };
}

function toPem(certificate: Certificate): string {
  return encodePem("CERTIFICATE", certificate.der);
}
