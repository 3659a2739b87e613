import { describe, expect, test } from "vitest";
import {
  celProblem,
  domainProblem,
  headerValueProblem,
  localitiesProblem,
  re2Problem,
  wildcardDomainProblem,
} from "./index.ts";

const valid = (check: (text: string) => string | null, texts: readonly string[]): void => {
  test.each(texts)("%j is one", (text) => expect(check(text)).toBeNull());
};
const invalid = (check: (text: string) => string | null, texts: readonly string[]): void => {
  test.each(texts)("%j is none", (text) => expect(check(text)).not.toBeNull());
};

describe("regular expressions of RE2", () => {
  valid(re2Problem, [
    ...[
      "",
      "a",
      "a|b",
      "(a)(?:b)(?i:c)(?P<n>d)(?<m>e)",
      "a*?b+?c??",
      "a{2}b{2,}c{2,3}?",
      "[a-z]",
      "[^]a]",
      "[]a]",
      "[a-]",
    ],
    ...[
      "[[:alpha:]-]",
      "\\pN\\p{Greek}\\P{^L}",
      "\\d\\W\\b\\z",
      "\\x{10FFFF}\\x0a\\012",
      "\\Q*(\\E+",
      "(?i)a(?-i)b",
      "a{",
      "{1",
    ],
    ...["^/v1/[^/]+$", "()", "|", "(|a)*", "a{,2}"],
  ]);
  invalid(re2Problem, [
    ...[
      "(",
      ")",
      "[",
      "[a",
      "*",
      "?",
      "a**",
      "a++",
      "a*??*",
      "a{2}{3}",
      "a{1001}",
      "a{3,2}",
      "(?=a)",
      "(?!a)",
      "(?<=a)",
    ],
    ...["\\1", "\\", "\\y", "[z-a]", "(?P=n)", "(?P<1>a)", "(a", "(?", "[[:nope:]]", "[\\b]", "\\C"],
  ]);

  test("hostile ones end", () => {
    expect(re2Problem("(".repeat(5_000))).not.toBeNull();
    expect(re2Problem(`${"(a*".repeat(500)}${")".repeat(500)}`)).toBeNull();
  });
});

describe("expressions of CEL", () => {
  valid(celProblem, [
    ...[
      "a",
      "1 + 2 * 3 == 7",
      "a.b.c('x')[0]",
      "!a && -b < 3 || c",
      "a ? b : c ? d : e",
      "[1, 2,]",
      "{'a': 1, 'b': [2]}",
    ],
    ...[
      "has(a.b)",
      "x in [1u, 0xff]",
      "r'\\d' + b\"x\"",
      "T{a: 1}",
      ".a.b",
      "response.code >= 400 // comment",
      "'''a\nb'''",
    ],
  ]);
  invalid(celProblem, [
    "",
    "a &&",
    "a b",
    "(a",
    "a.",
    "a[1",
    "{a}",
    "'a",
    "a ? b",
    "1..2",
    "in",
    "a = b",
    "a @ b",
    "if",
  ]);

  test("hostile ones end", () => {
    expect(celProblem("(".repeat(9_000))).not.toBeNull();
    expect(celProblem("!".repeat(9_000))).not.toBeNull();
    expect(celProblem("a".repeat(20_000))).toMatch(/longer/);
  });
});

describe("values of headers", () => {
  valid(headerValueProblem, [
    ...[
      "",
      "a",
      "%%",
      "%A%",
      "a %REQ(x)% b",
      '%UPSTREAM_METADATA(["a", "b"])%',
      "%A(b\\)c)%",
      "\tx",
      "%START_TIME(%%Y)%",
      "%A(x) %",
    ],
  ]);
  invalid(headerValueProblem, [
    "%",
    "a%",
    "%A",
    "%A(b%",
    "%A(b)",
    '%A(["a" "b"])%',
    "a\nb",
    "%%%",
    "%A(b)x%",
    "%A()%",
    '%A("b")%',
  ]);
});

describe("names", () => {
  valid(domainProblem, ["a", "a.b", "A.b.", "a-b.c"]);
  invalid(domainProblem, ["", "*", "a..b", "-a", "a.1", "a_b", `${"a".repeat(64)}.b`, "a\n"]);
  valid(wildcardDomainProblem, ["*", "*.a", "*a.b", "*-a.b", "a"]);
  invalid(wildcardDomainProblem, ["a*.b", "a.*", "**", "*.*.a", "*.1", "", "*-"]);
});

describe("localities", () => {
  const of = (text: string): string | null => localitiesProblem(text.split(" "));
  valid(of, ["a b", "a/b a/c", "a/b/c a/b/d", "a/* b", "*"]);
  invalid(of, ["a a", "a a/b", "a/b/* a/b", "* a", "a/*/b", "a//b", "a/"]);
});
