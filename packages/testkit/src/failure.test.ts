import { expect, test } from "vitest";
import { failureOf, thrownBy } from "./failure.ts";

const isRange = (e: unknown): e is RangeError => e instanceof RangeError;
const raise = (e: unknown) => (): never => {
  throw e;
};

test("what is expected is given", () => {
  const error = new RangeError("too far");
  expect(thrownBy(isRange, raise(error))).toBe(error);
  expect(failureOf(isRange)(raise(error))).toBe(error);
});

test("what is not expected goes on as it is", () => {
  const error = new TypeError("no function");
  expect(() => thrownBy(isRange, raise(error))).toThrow(error);
  expect(() => failureOf(isRange)(raise(error))).toThrow(error);
});

test("where nothing is thrown there is no failure", () => {
  expect(thrownBy(isRange, () => "fine")).toBeNull();
  expect(() => failureOf(isRange)(() => "fine")).toThrow("it did not fail");
});
