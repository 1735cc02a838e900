import { expect, test } from "vitest";
import { aliasesOf, aliasProblem, environmentOfAlias, environmentOfStage, stageOf } from "./meanings.ts";

test("aliases and stages that say what is served are environments, in whatever case; others are labels", () => {
  expect(["champion", "Champion", "PRODUCTION", "staging", "dev"].map(environmentOfAlias)).toEqual([
    "production",
    "production",
    "production",
    "staging",
    "dev",
  ]);
  expect(["challenger", "constructor", "__proto__"].map(environmentOfAlias)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(["Staging", "production", "None", "Archived"].map(environmentOfStage)).toEqual([
    "staging",
    "production",
    undefined,
    undefined,
  ]);
});

test("a version is shown in the highest environment that it is promoted in", () => {
  expect(stageOf(["dev", "staging", "production"])).toBe("Production");
  expect(stageOf(["staging"])).toBe("Staging");
  expect(stageOf(["dev"])).toBe("None");
  expect(aliasesOf(["production"])).toEqual(["champion", "production"]);
});

test("what MLflow takes for something else is no alias", () => {
  for (const bad of ["latest", "Latest", "v1", "V22", "", "a/b", "a b"])
    expect(aliasProblem(bad)).toBeDefined();
  for (const good of ["challenger", "v1-beta", "a.b_c"]) expect(aliasProblem(good)).toBeUndefined();
});
