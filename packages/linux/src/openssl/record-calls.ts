import { CallList } from "../call-list.ts";
import type { Pointer } from "./native-openssl.ts";
import { opensslBug } from "./openssl-error.ts";

/** Of a record of TLS: authenticated, not encrypted. */
export const HEADER_BYTES = 5;
export const TAG_BYTES = 16;
/** For `EVP_CipherInit_ex`: sealing or opening, as it was. */
export const AS_BEFORE = -1;
const GET_TAG = 0x10;
const SET_TAG = 0x11;

const FUNCTIONS = {
  init: "EVP_CipherInit_ex",
  update: "EVP_CipherUpdate",
  final: "EVP_CipherFinal_ex",
  "get tag": "EVP_CIPHER_CTX_ctrl",
  "set tag": "EVP_CIPHER_CTX_ctrl",
} as const;
type Step = Exclude<keyof typeof FUNCTIONS, "init">;

/** Before the steps: the nonce, and the header as additional data. */
const INIT = 0;
const HEADER = 1;
const FIRST = 2;

/** What OpenSSL is asked for one record, in one crossing. Arguments that are the same for all records are set once. */
export class RecordCalls {
  readonly #list: CallList;
  readonly #count: number;
  #context: Pointer = 0;

  /** @param at where the 12 bytes of the nonce are read, and where OpenSSL writes how much it wrote */
  constructor(steps: readonly Step[], at: { readonly nonce: Pointer; readonly written: Pointer }) {
    const all = ["init", "update", ...steps] as const;
    this.#list = new CallList(all.map((step) => FUNCTIONS[step]));
    this.#count = all.length;
    for (const [i, step] of all.entries()) this.#prepare(i, step, at.written);
    this.#list.set(INIT, 4, at.nonce);
    this.#list.set(INIT, 5, AS_BEFORE);
    this.#list.set(HEADER, 4, HEADER_BYTES);
  }

  #prepare(call: number, step: Step | "init", written: Pointer): void {
    if (step === "update" || step === "final") this.#list.set(call, 2, written);
    if (step !== "get tag" && step !== "set tag") return;
    this.#list.set(call, 1, step === "get tag" ? GET_TAG : SET_TAG);
    this.#list.set(call, 2, TAG_BYTES);
  }

  begin(context: Pointer, header: Pointer): void {
    if (context !== this.#context) {
      this.#context = context;
      for (let i = 0; i < this.#count; i++) this.#list.set(i, 0, context);
    }
    this.#list.set(HEADER, 3, header);
  }

  /** @param step its place among the steps, from 0 on */
  update(step: number, out: Pointer, data: Pointer, length: number): void {
    this.#list.set(FIRST + step, 1, out);
    this.#list.set(FIRST + step, 3, data);
    this.#list.set(FIRST + step, 4, length);
  }

  final(step: number, out: Pointer): void {
    this.#list.set(FIRST + step, 1, out);
  }

  tag(step: number, tag: Pointer): void {
    this.#list.set(FIRST + step, 3, tag);
  }

  /** @returns whether all succeeded. @throws MeshError BUG when not even nonce and header were taken */
  run(): boolean {
    const done = this.#list.run(0, this.#count);
    if (done < FIRST) throw opensslBug("beginning a record");
    return done === this.#count;
  }
}
