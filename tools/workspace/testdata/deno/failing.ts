import { describe, expect, test } from "vitest";

describe("arithmetic", () => {
  test("is broken here", () => expect(1 + 1).toBe(3));
  test("a rejection nobody expected", async () => {
    await expect(Promise.resolve(1)).rejects.toThrow();
  });
});
test.each([[1]])("row %d", () => expect.unreachable("the row ran"));
test("passes", () => expect(1).toBe(1));
