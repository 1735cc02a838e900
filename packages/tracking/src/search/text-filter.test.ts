import { expect, test } from "vitest";
import { parseTextFilter } from "./text-filter.ts";

const known = ["name", "version_number"];
const models = [
  { attributes: { name: "arrivals", version_number: 1 }, tags: [{ key: "team", value: "x" }] },
  {
    attributes: { name: "prompt", version_number: 12 },
    tags: [{ key: "mlflow.prompt.is_prompt", value: "true" }],
  },
];
const named = (filter: string) =>
  models.filter(parseTextFilter(filter, known)).map(({ attributes }) => attributes.name);

test("a filter holds names, numbers and tags to what it says; what lacks a tag is unlike any value of it", () => {
  expect(named("")).toEqual(["arrivals", "prompt"]);
  expect(named("name = 'arrivals' AND tags.team = 'x'")).toEqual(["arrivals"]);
  expect(named("tag.`mlflow.prompt.is_prompt` != 'true'")).toEqual(["arrivals"]);
  expect(named("name ILIKE 'ARR%' and version_number < 2")).toEqual(["arrivals"]);
  expect(named("name IN ('prompt', 'x')")).toEqual(["prompt"]);
  for (const bad of ["colour = 'x'", "name > 'x'", "name = x", "name 'x'", "name = 'x' or name = 'y'"])
    expect(() => named(bad), bad).toThrow();
});
