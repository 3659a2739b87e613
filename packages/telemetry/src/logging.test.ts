import { describe, expect, test } from "vitest";
import type { Fields } from "./log-event.ts";
import { bare } from "./log-event.ts";
import { formatJsonLine, formatTextLine, formatTimestamp } from "./log-formats.ts";
import { formatLevels, parseLevels } from "./levels.ts";
import { type Logging, type LoggingOptions, createLogging } from "./logging.ts";

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678) * 1_000 + 901;

function rig(o: Partial<LoggingOptions> = {}): { lines: string[]; logging: Logging } {
  const lines: string[] = [];
  return { lines, logging: createLogging({ write: (line) => void lines.push(line), nowMicros: () => AT, ...o }) };
}

const levelsOf = (text: string): ReadonlyMap<string, "off" | "error" | "warn" | "info" | "debug" | "trace"> => {
  const r = parseLevels(text);
  if (!r.ok) throw r.error;
  return r.value;
};

describe("text lines", () => {
  const line = (fields: Fields, message = "connection complete"): string =>
    formatTextLine({ atMicros: AT, severity: "info", scope: "access", spans: [], message, fields });

  test("an access line quotes strings and leaves addresses and numbers bare", () => {
    const fields = {
      "src.addr": bare("10.0.0.1:4000"),
      "src.workload": "web-1",
      bytes_sent: 12,
      duration: "3ms",
      error: null,
    };
    expect(line(fields)).toBe(
      "2026-01-02T03:04:05.678901Z\tinfo\taccess\tconnection complete\t" +
        'src.addr=10.0.0.1:4000 src.workload="web-1" bytes_sent=12 duration="3ms"',
    );
  });

  test.each([
    ["quotes and backslashes", { a: `say "hi" \\` }, String.raw`a="say \"hi\" \\"`],
    ["line breaks", { a: "one\ntwo\r\t" }, String.raw`a="one\ntwo\r\t"`],
    ["a line separator", { a: "\u2028\u0085" }, String.raw`a="\u2028\u0085"`],
    ["an escape sequence of a terminal", { a: "\u001b[31m" }, String.raw`a="\u001b[31m"`],
    [
      "bare text that is not safe bare",
      { a: bare("x y"), b: bare('a"b'), c: bare("") },
      String.raw`a="x y" b="a\"b" c=""`,
    ],
    ["every other type", { a: true, b: 12n, c: 1.5, d: undefined, e: NaN }, "a=true b=12 c=1.5 e=NaN"],
  ])("fields with %s", (_name, fields, want) => expect(line(fields).split("\t")[4]).toBe(want));

  test("a message cannot break the line or its columns", () => {
    expect(line({}, "peer said a\nb\tc")).toBe("2026-01-02T03:04:05.678901Z\tinfo\taccess\tpeer said a\\nb\\tc");
  });

  test("spans stand behind the scope", () => {
    const spans = [
      { name: "outbound", fields: { id: "7" } },
      { name: "hbone", fields: {} },
    ];
    const text = formatTextLine({ atMicros: AT, severity: "warn", scope: "proxy", spans, message: "slow", fields: {} });
    expect(text).toBe('2026-01-02T03:04:05.678901Z\twarn\tproxy:outbound{id="7"}:hbone{}\tslow');
  });
});

test("a JSON line is one flat object, the spans last; a field never replaces a standard key", () => {
  const spans = [{ name: "outbound", fields: { id: bare("7") } }];
  const fields = { b: 1n, a: "x\n", level: "fake", big: Infinity, ["__proto__"]: "p" };
  const line = formatJsonLine({ atMicros: AT, severity: "error", scope: "proxy", spans, message: "m", fields });
  expect(line).toBe(
    '{"level":"error","time":"2026-01-02T03:04:05.678901Z","scope":"proxy","message":"m","b":"1","a":"x\\n",' +
      '"big":"Infinity","__proto__":"p","outbound":{"id":"7"}}',
  );
});

test.each([
  [0, "1970-01-01T00:00:00.000000Z"],
  [1, "1970-01-01T00:00:00.000001Z"],
  [999_999, "1970-01-01T00:00:00.999999Z"],
])("%d µs is %s", (micros, want) => expect(formatTimestamp(micros)).toBe(want));

describe("levels", () => {
  test("the default is info", () => {
    const { lines, logging } = rig();
    const log = logging.logger("xds");
    log.debug("no");
    log.info("yes");
    expect(lines.map((l) => l.split("\t")[3])).toEqual(["yes"]);
  });

  test("fields of an event that is not let through are never made", () => {
    const { logging } = rig();
    logging.logger("xds").debug("no", () => expect.unreachable());
  });

  test.each([
    ["warn,xds:debug", "xds", "debug", true],
    ["warn,xds:debug", "xds::client", "debug", true],
    ["warn,xds:debug", "xdsx", "info", false],
    ["warn,xds=debug,xds::client=off", "xds::client", "error", false],
    ["info,hickory_server::server=off", "hickory_server::server::dns", "error", false],
    ["trace", "anything", "trace", true],
    ["OFF", "anything", "error", false],
    ["Warning", "anything", "warn", true],
  ] as const)("with %s, scope %s at %s passes: %s", (text, scope, severity, want) => {
    const { logging } = rig({ levels: levelsOf(text) });
    expect(logging.logger(scope).enabled(severity)).toBe(want);
  });

  test("a logger in use follows changes, and a reset goes back to the start", () => {
    const { lines, logging } = rig({ levels: levelsOf("warn") });
    const log = logging.logger("access").span("c");
    log.info("1");
    logging.levels.set(levelsOf("access:info"), "merge");
    log.info("2");
    expect(formatLevels(logging.levels.current())).toBe("access=info,warn");
    logging.levels.set(new Map(), "replace");
    log.info("3");
    expect(lines.map((l) => l.split("\t")[3])).toEqual(["2"]);
  });

  test("every part that is wrong is named", () => {
    const r = parseLevels("info,access:loud,=debug,a b:info");
    expect(r.ok ? "" : r.error.message).toBe(
      'Cannot parse log levels: "access:loud" is not LEVEL or SCOPE:LEVEL; "=debug" is not LEVEL or SCOPE:LEVEL; ' +
        '"a b:info" is not LEVEL or SCOPE:LEVEL (levels are error, warn, info, debug, trace, off)',
    );
  });

  test("a list without end is refused", () => {
    expect(parseLevels(Array.from({ length: 300 }, (_, i) => `s${i}:info`).join()).ok).toBe(false);
  });
});

test("each severity has its method and name; json format is chosen once", () => {
  const { lines, logging } = rig({ format: "json", levels: levelsOf("trace") });
  const log = logging.logger("s");
  for (const severity of ["error", "warn", "info", "debug", "trace"] as const) log[severity]("m");
  const seen = lines.map((l) => (JSON.parse(l) as { level: string }).level);
  expect(seen).toEqual(["error", "warn", "info", "debug", "trace"]);
});
