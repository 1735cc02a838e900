import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { writePipeline } from "../../../apps/cli/src/ci/pipelines.ts";
import type { CiSettings } from "../../../apps/cli/src/ci/settings.ts";
import { pythonClient } from "../../../tools/python-client.ts";

/** The published schemas of both systems, from the package of check-jsonschema, against what `portolan ci init` writes. */
const python = await pythonClient("ci");

const settings: CiSettings = {
  url: "https://portolan.example.com",
  audience: "https://portolan.example.com",
  useCase: "churn",
  model: "churn",
  branch: "main",
  source: "https://git.example.com/portolan.git",
  ref: "v0.1.0",
  place: "acme/churn",
  issuer: "https://issuer.example.com",
};

describe.skipIf(python === undefined)("a written pipeline", () => {
  test.each([
    ["github", "github-workflows", "jobs"],
    ["gitlab", "gitlab-ci", "portolan-churn-release"],
  ] as const)(
    "for %s is valid by the published schema, which refuses it once it is broken",
    (system, name, member) => {
      const below = `../lib/python*/site-packages/check_jsonschema/builtin_schemas/vendor/${name}.json`;
      const [path = ""] = globSync(join(dirname(python ?? ""), below));
      const validate = new Ajv({ strict: false, validateFormats: false }).compile(
        JSON.parse(readFileSync(path, "utf8")),
      );
      const pipeline = parse(writePipeline(system, settings).text) as Record<string, unknown>;
      expect([validate(pipeline), validate.errors]).toEqual([true, null]);
      expect(validate({ ...pipeline, [member]: 7 })).toBe(false);
    },
  );
});
