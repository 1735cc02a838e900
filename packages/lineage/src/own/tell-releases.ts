import { asPlace, environments } from "@portolan/kernel";
import { datasetType, errorMessage, ownership, version } from "./facets.ts";
import { atOnce, runEvent, type StatedDataset } from "./statement.ts";
import { type Tell, type Telling, textOf } from "./tell.ts";

/** A promotion: from its moment the version is what the model is in that environment. */
export const tellPromotion: Tell = async ({ row, names, things, runId }) => {
  const number = row.detail["version"];
  const name = textOf(row, "model");
  const found = typeof number === "number" ? await things.modelVersion(name, number) : undefined;
  const environment = environments.find((one) => one === row.detail["to"]);
  if (!found || !environment) return [];
  const promoted = {
    ...names.promoted(environment, name),
    facets: { ...version(`${name}/${found.version}`), ...datasetType("MODEL", "PROMOTED") },
  };
  const told = {
    at: row.at,
    job: names.job(environment, `promote.${name}`),
    jobType: "PROMOTION",
    inputs: [names.modelVersion(name, found.version)],
    outputs: [promoted],
  };
  const audience = { action: "registry:read", resource: "Model", useCaseId: found.useCaseId };
  // A version may be promoted again, after others.
  return atOnce(runId(`${row.subject} promotion ${row.position}`), told, audience, []);
};

/** Every word of a release: the candidate and the champion that it was compared with; how it ended. */
export const tellRelease: Tell = async (telling) => {
  const { row, runId, names, things } = telling;
  const release = await things.release(row.subject);
  if (!release) return [];
  const { environment, endpoint, useCaseId, requestedBy } = release;
  const told = {
    at: row.at,
    job: names.job(environment, `release.${endpoint}`),
    jobType: "RELEASE",
    inputs: [release.candidate, release.champion].map(({ model, version: number }) =>
      names.modelVersion(model, number),
    ),
  };
  const audience = { action: "serving:read", resource: "Endpoint", environment, ...asPlace({ useCaseId }) };
  const run = runId(row.subject);
  const alias = { alias: row.subject, kind: "run", environment };
  if (row.event === "rollout.release.started")
    return [{ event: runEvent("START", run, told), audience, names: [alias] }];
  const outcome = row.event.split(".").at(-1) ?? "";
  const left: StatedDataset = {
    ...names.release(environment, endpoint, row.subject),
    facets: {
      ...version(outcome),
      ...datasetType("MODEL", "RELEASE"),
      ...ownership([{ name: `principal:${requestedBy}`, type: "MAINTAINER" }]),
    },
  };
  if (outcome === "promoted") {
    const event = runEvent("COMPLETE", run, { ...told, outputs: [left] });
    return [{ event, audience, names: [{ ...alias, kind: "release", dataset: left }] }];
  }
  // What was promoted before has had its end: taking it back is a run of its own.
  if (row.detail["from"] === "promoted")
    return atOnce(runId(`${row.subject} taken back`), { ...told, outputs: [left] }, audience, []);
  const runFacets = errorMessage(`${outcome.replaceAll("_", " ")}: ${reasonsOf(telling)}`);
  return [{ event: runEvent("ABORT", run, { ...told, runFacets }), audience, names: [alias] }];
};

function reasonsOf({ row }: Telling): string {
  const reasons = row.detail["reasons"];
  return Array.isArray(reasons) ? reasons.filter((one) => typeof one === "string").join("; ") : "";
}
