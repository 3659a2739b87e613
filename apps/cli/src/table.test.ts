import { expect, test } from "vitest";
import { renderTable } from "./table.ts";

test("columns are as wide as their widest cell and the padding, the last one is not padded", () => {
  expect(
    renderTable(
      ["A", "LONG HEADER", "C"],
      [
        ["longer cell", "x", "y"],
        ["", "z"],
      ],
      2,
    ),
  ).toBe(["A            LONG HEADER  C", "longer cell  x            y", "             z            ", ""].join("\n"));
});

test("a table without rows is its headers, five spaces apart", () => {
  expect(renderTable(["A", "B"], [])).toBe("A     B\n");
});
