import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { requirePrograms, requirement } from "./requirements.ts";

const ci = process.env["CI"];
const path = process.env["PATH"];
beforeEach(() => void delete process.env["CI"]);
afterEach(() => {
  vi.restoreAllMocks();
  if (ci !== undefined) process.env["CI"] = ci;
  process.env["PATH"] = path;
});

test("nothing missing runs", () => expect(requirement(null)).toBe(false));

test("something missing skips with its name and says so once", () => {
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  expect(requirement("needs a moon")).toBe("needs a moon");
  expect(requirement("needs a moon")).toBe("needs a moon");
  expect(said.mock.calls).toEqual([["skipped here: needs a moon\n"]]);
});

test("something missing fails when CI=true", () => {
  process.env["CI"] = "true";
  expect(() => requirement("needs a moon")).toThrow(/needs a moon \(CI=true/);
});

test("programs are looked up along PATH and in the system folders", () => {
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  process.env["PATH"] = "/nowhere";
  expect(requirePrograms("sh")).toBe(false);
  expect(requirePrograms("sh", "no-such-program", "nor-this")).toBe("needs no-such-program, nor-this");
});
