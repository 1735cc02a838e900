import { PortolanError } from "@portolan/kernel";
import type { ModelVersion } from "@portolan/registry/contract";
import type { TrainingRunResult, TrainingRunView } from "@portolan/training/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { waitForRun } from "../client/training.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { compareRuns, type Reproduction } from "../provenance/reproduction.ts";

export function registerReproduce(model: Command, contextOf: ContextOf): void {
  model
    .command("reproduce <name> <version>")
    .description(
      "Train a version again from its record and compare digest and metrics; registers nothing (exit code 1 when the bytes differ)",
    )
    .addHelpText("after", "\nExample:\n  portolan model reproduce flight-delays 1 --as sam")
    .action(async (name: string, version: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const recorded = await recordedRun(api, name, version);
      const started = await api.json<TrainingRunView>({ path: "/v1/training-runs", body: recorded.request });
      context.output.note(`training again as ${started.id}`);
      const again = await waitForRun(api, started.id);
      const found = compareRuns(recorded.result, again.result);
      if (!found.isSame) process.exitCode = 1;
      const runs = { recordedRun: recorded.id, run: started.id };
      context.output.result({ ...runs, ...found }, describe(`${name} version ${version}`, found));
    });
}

/** @throws PortolanError `cli.bad_usage` for a version that no run of this platform made */
async function recordedRun(
  api: ApiClient,
  name: string,
  version: string,
): Promise<TrainingRunView & { readonly result: TrainingRunResult }> {
  const { lineage, artifact } = await api.json<ModelVersion>({ path: versionPath(name, version) });
  if (lineage.trainingRunId === undefined)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `${name} version ${version} was ${lineage.upstream ? "registered as another server's" : "imported"}: no training run is on record`,
      mend: "Reproduce a version that was trained here: portolan model list says which.",
    });
  const run = await api.json<TrainingRunView>({
    path: `/v1/training-runs/${encodeURIComponent(lineage.trainingRunId)}`,
  });
  const { result } = run;
  if (result?.model === artifact) return { ...run, result };
  throw new PortolanError<CliErrorCode>("cli.check_failed", {
    detail: `the record of ${run.id} names another model than ${name} version ${version}`,
    mend: "Verify the ledger: portolan audit verify.",
  });
}

function describe(what: string, found: Reproduction): string {
  const { isSame, model, inputs, metrics, sameMetrics, why } = found;
  const head = isSame
    ? `${what} is reproduced: the same bytes, ${model.recorded}`
    : `${what} is NOT reproduced: ${model.recorded} on record, ${model.reproduced} now`;
  const rows = [...inputs, ...metrics].map(({ what: name, recorded, reproduced }) => [
    name,
    recorded,
    reproduced,
  ]);
  return [
    head,
    `${sameMetrics} metrics with the same value, ${metrics.length} with another`,
    ...(rows.length === 0 ? [] : ["", table(["differs", "on record", "now"], rows)]),
    ...(why.length === 0 ? [] : ["", ...why]),
  ].join("\n");
}
