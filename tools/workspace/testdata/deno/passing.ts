import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

const seen: string[] = [];
describe("hooks", () => {
  beforeAll(() => void seen.push("first"));
  beforeEach(() => void seen.push("before"));
  afterEach(() => void seen.push("after"));
  afterAll(() => expect(seen).toEqual(["first", "before", "after", "before", "after"]));
  test("one", () => expect(seen).toEqual(["first", "before"]));
  test("two", () => expect(seen.at(-1)).toBe("before"));
});
test.each([[1, 2, 3], [2, 2, 4]])("%d and %d make %d", (a: number, b: number, sum: number) => expect(a + b).toBe(sum));
test.skipIf(true)("left out", () => expect.unreachable());
test("mocks and asymmetric matchers", () => {
  const f = vi.fn((x: number) => x * 2);
  f(2);
  expect(f).toHaveBeenCalledWith(2);
  expect({ a: 1, b: "x" }).toEqual({ a: expect.any(Number), b: expect.stringMatching(/x/) });
});
test("a rejection is awaited", async () => {
  await expect(Promise.reject(new Error("down"))).rejects.toThrow("down");
});
