import { quoted } from "./findings.ts";

const MAX_CHARS = 10_000;
const MAX_DEPTH = 100;
const TOKENS = new RegExp(
  [
    "(?<space>\\s+|//[^\\n]*)",
    "(?<number>0x[0-9a-fA-F]+u?|\\d+\\.\\d+(?:[eE][+-]?\\d+)?|\\.\\d+(?:[eE][+-]?\\d+)?|\\d+[eE][+-]?\\d+|\\d+[uU]?)",
    // Texts may be raw, of bytes, and of several lines.
    "(?<text>(?:[rR][bB]?|[bB][rR]?)?(?:\"\"\"[^]*?\"\"\"|'''[^]*?'''|\"(?:\\\\.|[^\"\\\\\\n\\r])*\"|'(?:\\\\.|[^'\\\\\\n\\r])*'))",
    "(?<name>[A-Za-z_][A-Za-z0-9_]*)",
    "(?<sign>&&|\\|\\||==|!=|<=|>=|[-+*/%<>!?:.,()\\[\\]{}])",
  ].join("|"),
  "y",
);
const RESERVED: ReadonlySet<string> = new Set([
  ...["as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package"],
  ...["namespace", "return", "var", "void", "while", "in"],
]);
/** By how closely they bind, the loosest first. */
const OPERATORS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!=", "<", "<=", ">", ">=", "in"],
  ["+", "-"],
  ["*", "/", "%"],
];

/**
 * Whether a text is an expression of the Common Expression Language. What its names mean is not looked at.
 * @returns what is wrong, or null
 * @see https://github.com/google/cel-spec/blob/master/doc/langdef.md
 */
export function celProblem(text: string): string | null {
  if (text.length > MAX_CHARS) return `is longer than ${MAX_CHARS} characters`;
  const tokens = tokensOf(text);
  if (tokens === null) return `${quoted(text)} is no expression of CEL`;
  const parser = new Parser(tokens);
  return parser.expression() && parser.atEnd ? null : `${quoted(text)} is no expression of CEL`;
}

interface Token {
  readonly t: "number" | "text" | "name" | "sign";
  readonly text: string;
}

function tokensOf(text: string): readonly Token[] | null {
  const out: Token[] = [];
  TOKENS.lastIndex = 0;
  while (TOKENS.lastIndex < text.length) {
    const groups = TOKENS.exec(text)?.groups;
    if (groups === undefined) return null;
    for (const t of ["number", "text", "name", "sign"] as const)
      if (groups[t] !== undefined) out.push({ t, text: groups[t] });
  }
  return out;
}

/** Recursive descent; every method says whether it found what it is named for. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get atEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  expression(): boolean {
    this.#depth += 1;
    const found = this.#depth <= MAX_DEPTH && this.#conditional();
    this.#depth -= 1;
    return found;
  }

  #sign(text: string): boolean {
    const token = this.#tokens[this.#at];
    const found = token !== undefined && token.text === text && (token.t === "sign" || text === "in");
    if (found) this.#at += 1;
    return found;
  }

  #token(t: Token["t"]): string | null {
    const token = this.#tokens[this.#at];
    if (token?.t !== t) return null;
    this.#at += 1;
    return token.text;
  }

  #conditional(): boolean {
    if (!this.#binary(0)) return false;
    return !this.#sign("?") || (this.#binary(0) && this.#sign(":") && this.expression());
  }

  #binary(level: number): boolean {
    const operators = OPERATORS[level];
    if (operators === undefined) return this.#unary();
    if (!this.#binary(level + 1)) return false;
    while (operators.some((operator) => this.#sign(operator))) if (!this.#binary(level + 1)) return false;
    return true;
  }

  #unary(): boolean {
    const sign = ["!", "-"].find((s) => this.#tokens[this.#at]?.text === s);
    while (sign !== undefined && this.#sign(sign));
    return this.#member();
  }

  #member(): boolean {
    if (!this.#primary()) return false;
    for (;;) {
      if (this.#sign(".")) {
        if (this.#token("name") === null) return false;
        if (this.#sign("(") && !this.#list(")")) return false;
      } else if (this.#sign("[")) {
        if (!this.expression() || !this.#sign("]")) return false;
      } else if (this.#sign("{")) {
        if (!this.#fields()) return false;
      } else return true;
    }
  }

  #primary(): boolean {
    if (this.#token("number") !== null || this.#token("text") !== null) return true;
    if (this.#sign("(")) return this.expression() && this.#sign(")");
    if (this.#sign("[")) return this.#list("]");
    if (this.#sign("{")) return this.#fields();
    this.#sign("."); // of an absolute name
    const name = this.#token("name");
    if (name === null || RESERVED.has(name)) return false;
    return !this.#sign("(") || this.#list(")");
  }

  #list(end: ")" | "]"): boolean {
    if (this.#sign(end)) return true;
    do
      if (end === "]" && this.#sign(end)) return true;
      else if (!this.expression()) return false;
    while (this.#sign(","));
    return this.#sign(end);
  }

  #fields(): boolean {
    if (this.#sign("}")) return true;
    do {
      if (this.#sign("}")) return true;
      if (!this.expression() || !this.#sign(":") || !this.expression()) return false;
    } while (this.#sign(","));
    return this.#sign("}");
  }
}
