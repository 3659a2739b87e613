import { expect, test } from "vitest";
import { asyncDisposable, disposable } from "./disposable.ts";
import { createScope } from "./scope.ts";

test("closes in reverse order, waiting for each, once", async () => {
  const closed: string[] = [];
  const scope = createScope();
  scope.own(disposable(() => void closed.push("first")));
  scope.own(
    asyncDisposable(async () => {
      await Promise.resolve();
      closed.push("second");
    }),
  );
  scope.defer(() => void closed.push("third"));
  await Promise.all([scope[Symbol.asyncDispose](), scope[Symbol.asyncDispose]()]);
  expect(closed).toEqual(["third", "second", "first"]);
});

test("goes on after a failure and then throws it", async () => {
  const closed: string[] = [];
  const scope = createScope();
  scope.defer(() => void closed.push("first"));
  scope.defer(() => Promise.reject(new Error("stuck")));
  await expect(scope[Symbol.asyncDispose]()).rejects.toThrow("stuck");
  expect(closed).toEqual(["first"]);
});

test("several failures come together", async () => {
  const scope = createScope();
  for (const why of ["a", "b"]) scope.defer(() => Promise.reject(new Error(why)));
  await expect(scope[Symbol.asyncDispose]()).rejects.toMatchObject({ errors: [{ message: "b" }, { message: "a" }] });
});

test("what is moved out outlives the scope", async () => {
  const closed: string[] = [];
  let kept;
  {
    await using scope = createScope();
    scope.defer(() => void closed.push("kept"));
    kept = scope.move();
  }
  expect(closed).toEqual([]);
  await kept[Symbol.asyncDispose]();
  expect(closed).toEqual(["kept"]);
});

test("what comes after the end is released at once", async () => {
  const closed: string[] = [];
  const scope = createScope();
  await scope[Symbol.asyncDispose]();
  scope.defer(() => void closed.push("late"));
  await scope[Symbol.asyncDispose]();
  expect(closed).toEqual(["late"]);
});
