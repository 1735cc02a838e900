import { featureNamesOf } from "@portolan/features/contract";
import { asPlace } from "@portolan/kernel";
import { columnLineage, datasetType, outputStatistics, schema, version } from "./facets.ts";
import { atOnce } from "./statement.ts";
import type { Tell } from "./tell.ts";
import { viewColumns } from "./view-columns.ts";
import { viewOwners } from "./view-owners.ts";

/** A dataset that went into a feature log: from its snapshot, by the view's definition. */
export const tellLogSegment: Tell = async ({ row, names, things, runId }) => {
  const number = Number(row.detail["segment"]);
  const segment = Number.isInteger(number) ? await things.featureLog(row.subject, number) : undefined;
  if (!segment) return [];
  const { view: reference, environment, owner } = segment;
  const [name = "", of] = reference.split("@");
  const definition = await things.view(name, Number(of));
  const source = await things.dataset(segment.datasetId);
  if (!definition || !source) return [];
  const snapshot = names.snapshot(environment, source.contract, source.id);
  const log = {
    ...names.featureLog(environment, reference, row.subject),
    facets: {
      ...schema(featureNamesOf(definition.body).map((feature) => ({ name: feature, type: "number" }))),
      ...version(segment.digest),
      ...datasetType("TABLE", "FEATURE_LOG"),
      ...viewOwners(definition, owner),
      ...columnLineage(viewColumns(definition.body, snapshot)),
    },
    outputFacets: outputStatistics(segment.recordCount, segment.sizeBytes),
  };
  const told = {
    at: row.at,
    job: names.job(environment, `append.${reference}`),
    jobType: "FEATURE_LOG",
    inputs: [snapshot, names.view(reference)],
    outputs: [log],
  };
  const audience = { action: "features:read_view", resource: "FeatureView", environment, ...asPlace(owner) };
  const alias = { alias: row.subject, kind: "feature log", environment, dataset: log };
  return atOnce(runId(`${row.subject} segment ${number}`), told, audience, [alias]);
};
