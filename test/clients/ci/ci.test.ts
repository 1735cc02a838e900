import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { writePipeline } from "../../../apps/cli/src/ci/pipelines.ts";
import { ciSettings } from "../../../apps/cli/test/ci-settings.ts";
import { pythonClient } from "../../../tools/python-client.ts";

/** The published schemas of both systems, from the package of check-jsonschema, against what `portolan ci init` writes. */
const python = await pythonClient("ci");

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
      const pipeline = parse(writePipeline(system, ciSettings).text) as Record<string, unknown>;
      expect([validate(pipeline), validate.errors]).toEqual([true, null]);
      expect(validate({ ...pipeline, [member]: 7 })).toBe(false);
    },
  );
});
