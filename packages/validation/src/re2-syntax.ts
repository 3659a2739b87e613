import { quoted } from "./findings.ts";

/** Deeper nesting is refused, as RE2 does. */
const MAX_DEPTH = 1_000;
const MAX_REPEAT = 1_000;
const ESCAPES =
  /^\\(?:[dDsSwWbBAzafnrtv]|[^A-Za-z0-9]|[0-7]{1,3}|x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,6}\}|[pP][A-Z]|[pP]\{\^?[A-Za-z_]+\})/;
const CLASS_ESCAPES =
  /^\\(?:[dDsSwWafnrtv]|[^A-Za-z0-9]|[0-7]{1,3}|x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,6}\}|[pP][A-Z]|[pP]\{\^?[A-Za-z_]+\})/;
const POSIX = /^\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]/;
const GROUP = /^\((?:\?(?:P?<[A-Za-z_][A-Za-z0-9_]*>|[imsU]*(?:-[imsU]+)?(?<flags>[:)])))?/;
const REPEAT = /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})/;

/**
 * Whether a text is a regular expression of RE2, which knows no look-around and no back-references.
 * @returns what is wrong, or null
 * @see https://github.com/google/re2/wiki/Syntax
 */
export function re2Problem(regex: string): string | null {
  const why = new Parser(regex).run();
  return why === null ? null : `${quoted(regex)} is no regular expression of RE2: ${why}`;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  /** Whether there is something that `*` could repeat, or what it repeats already is repeated. */
  #last: "nothing" | "atom" | "repeated" = "nothing";

  constructor(text: string) {
    this.#text = text;
  }

  run(): string | null {
    while (this.#at < this.#text.length) {
      const why = this.#step(this.#text.slice(this.#at));
      if (why !== null) return why;
    }
    return this.#depth === 0 ? null : "a ( is not closed";
  }

  #step(rest: string): string | null {
    switch (rest[0]) {
      case "(":
        return this.#open(rest);
      case ")":
        this.#depth -= 1;
        return this.#depth < 0 ? "a ) closes nothing" : this.#take(1, "atom");
      case "|":
        return this.#take(1, "nothing");
      case "[":
        return this.#class(rest);
      case "\\":
        return this.#escape(rest);
      default:
        return REPEAT.test(rest) ? this.#repeat(rest) : this.#take(1, "atom");
    }
  }

  #take(count: number, last: "nothing" | "atom" | "repeated"): null {
    this.#at += count;
    this.#last = last;
    return null;
  }

  #open(rest: string): string | null {
    const [all = "", close] = GROUP.exec(rest) ?? [];
    if (all === "(" && rest[1] === "?") return "it has a group that RE2 does not know";
    if (/^\(\?(?:-?[:)])/.test(all) && all.includes("-")) return "it has a group that RE2 does not know";
    if (close === ")") return this.#take(all.length, "nothing"); // flags only
    this.#depth += 1;
    return this.#depth > MAX_DEPTH ? "it is nested too deep" : this.#take(all.length, "nothing");
  }

  #escape(rest: string): string | null {
    const quotedText = /^\\Q([^]*?)(?:\\E|$)/.exec(rest);
    if (quotedText !== null) return this.#take(quotedText[0].length, "atom");
    const [escape] = ESCAPES.exec(rest) ?? [];
    if (escape === undefined || /^\\[1-9]$/.test(escape)) return `it has an escape that RE2 does not know`;
    return this.#take(escape.length, "atom");
  }

  #repeat(rest: string): string | null {
    const [all = "", low, comma, high = ""] = REPEAT.exec(rest) ?? [];
    if (this.#last === "nothing") return `nothing stands before ${all}`;
    if (this.#last === "repeated") return `${all} repeats a repetition`;
    const [least, most] = [Number(low ?? 0), high === "" ? Number(low ?? 0) : Number(high)];
    if (most > MAX_REPEAT || (comma !== undefined && most < least)) return `${all} repeats too often`;
    const lazy = rest[all.length] === "?" ? 1 : 0;
    return this.#take(all.length + lazy, "repeated");
  }

  #class(rest: string): string | null {
    let at = rest[1] === "^" ? 2 : 1;
    for (let first = true; first || rest[at] !== "]"; first = false) {
      const low = classEntry(rest.slice(at));
      if (low === null)
        return at >= rest.length ? "a [ is not closed" : "it has a class or an escape that RE2 does not know";
      at += low.length;
      if (rest[at] !== "-" || rest[at + 1] === "]") continue;
      if (rest[at + 1] === undefined) return "a [ is not closed";
      const high = classEntry(rest.slice(at + 1));
      if (high === null) return "a range of a class does not end";
      if (low.length === 1 && high.length === 1 && low > high) return `${low}-${high} is no range`;
      at += 1 + high.length;
    }
    return this.#take(at + 1, "atom");
  }
}

/** One entry of a class; null when there is none, or none that is known. */
function classEntry(rest: string): string | null {
  if (rest === "") return null;
  const posix = POSIX.exec(rest);
  if (posix !== null) return posix[0];
  if (/^\[:[^\]]*:\]/.test(rest)) return null;
  if (rest[0] !== "\\") return rest[0] ?? null;
  return CLASS_ESCAPES.exec(rest)?.[0] ?? null;
}
