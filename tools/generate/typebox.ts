import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import type { Generator } from "../generated-files.ts";

/** packages/typebox/src/typebox.js: some 700 files in one, see docs/adr/0115. */
export const generator: Generator = {
  async generate(root) {
    const bundle = await rolldown({
      cwd: root,
      input: join(root, "packages/typebox/src/source.ts"),
      platform: "node",
    });
    const { output } = await bundle.generate({ format: "esm", codeSplitting: false });
    await bundle.close();
    const license = readFileSync(join(root, "node_modules/typebox/license"), "utf8");
    return new Map([["packages/typebox/src/typebox.js", `/*\n${license.trim()}\n*/\n${output[0].code}`]]);
  },
};
