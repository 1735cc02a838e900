import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { quoteName, quoteText } from "@portolan/expressions";
import { type CallContext, type Digest, PortolanError } from "@portolan/kernel";
import type { FeatureErrorCode } from "./errors.ts";
import type { TrainingSetManifest } from "./resources.ts";
import { readTrainingSet } from "./training-sets.ts";
import type { FeatureDeps } from "./views.ts";

/** The columns of a training set as arrays, in row order, for evaluation in the control process (null is NaN). */
export async function readTrainingSetColumns(
  deps: FeatureDeps,
  call: CallContext,
  id: string,
): Promise<{
  readonly manifest: TrainingSetManifest;
  readonly columns: Readonly<Record<string, Float64Array>>;
}> {
  const { manifest } = await readTrainingSet(deps, call, id);
  if (!manifest)
    throw new PortolanError<FeatureErrorCode>("features.training_set_not_found", {
      detail: `${id} is not ready`,
    });
  const path = await deps.objects.localPath(manifest.object as Digest);
  await mkdir(deps.workFolder, { recursive: true });
  const workFolder = await mkdtemp(join(deps.workFolder, "columns-"));
  try {
    const names = [...manifest.features, manifest.label];
    const lists = names.map(
      (name, index) => `list(${quoteName(name)}::double order by _at, _row) as c${index}`,
    );
    const result = await deps.engine.run({
      statements: [
        { sql: `select ${lists.join(", ")} from read_parquet(${quoteText(path)})`, returns: "columns" },
      ],
      readable: [path],
      workFolder,
    });
    const row = result.rows["columns"]?.[0] ?? {};
    const columns = names.map((name, index) => {
      const cells = (row[`c${index}`] ?? []) as (number | null)[];
      return [name, Float64Array.from(cells, (cell) => cell ?? Number.NaN)] as const;
    });
    return { manifest, columns: Object.fromEntries(columns) };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}
