import { expect, test } from "vitest";
import { memberOf, parsedJson } from "./json.ts";

test("what is no JSON, and a member that is not there, are undefined and no fault", () => {
  expect(parsedJson('{"rows":[1]}')).toEqual({ rows: [1] });
  expect(parsedJson("null")).toBeNull();
  for (const text of ["", "{", "undefined"]) expect(parsedJson(text)).toBeUndefined();
  expect(memberOf({ rows: 3 }, "rows")).toBe(3);
  for (const value of [null, undefined, 3, "rows", {}, []]) expect(memberOf(value, "rows")).toBeUndefined();
});
