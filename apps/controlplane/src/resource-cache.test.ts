import { describe, expect, test } from "vitest";
import { ResourceCache } from "./resource-cache.ts";

const text = new TextEncoder();
const cache = (): ResourceCache => new ResourceCache((body) => new TextDecoder().decode(body));

describe("resource cache", () => {
  test("tells listeners the names whose content changed, and no others", () => {
    const c = cache();
    const heard: [string, string[]][] = [];
    using _ = c.onChange((typeUrl, names) => heard.push([typeUrl, [...names].sort()]));
    c.update("t", new Map([["a", text.encode("1")], ["b", text.encode("1")]])); // prettier-ignore
    c.update("t", new Map([["a", text.encode("1")], ["b", text.encode("2")]])); // prettier-ignore
    c.update("t", new Map([["a", text.encode("1")]]));
    c.update("t", new Map([["a", null], ["gone", null]])); // prettier-ignore
    expect(heard).toEqual([
      ["t", ["a", "b"]],
      ["t", ["b"]],
      ["t", ["a"]],
    ]);
    expect([...c.index("t").keys()]).toEqual(["b"]);
  });

  test("keeps types apart and forgets listeners that were disposed of", () => {
    const c = cache();
    let heard = 0;
    c.onChange(() => heard++)[Symbol.dispose]();
    c.update("t", new Map([["a", text.encode("1")]]));
    expect(heard).toBe(0);
    expect(c.get("u", "a")).toBeUndefined();
    expect(c.get("t", "a")?.version).toBe("1");
  });
});
