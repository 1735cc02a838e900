import type { Evaluation, TextEvaluation } from "@portolan/evaluation/contract";
import { isPortolanError } from "@portolan/kernel";
import type { ReferenceProfile } from "@portolan/monitoring/contract";
import type { ComputeProfile, ModelVersion, VersionRecord } from "@portolan/registry/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { type ShownVersion, versionText } from "../provenance/version-text.ts";

export function registerShow(model: Command, contextOf: ContextOf): void {
  model
    .command("show <name> <version>")
    .description(
      "One version: signature, lineage, evaluations, who decided what of it, how it is served, what it takes of a machine, its reference profile",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  portolan model show flight-delays 1\n  portolan model show flight-delays 1 --json",
    )
    .action(async (name: string, version: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const shown = await readShown(await connect(context), versionPath(name, version));
      context.output.result(shown, versionText(shown));
    });
}

async function readShown(api: ApiClient, path: string): Promise<ShownVersion> {
  const version = await api.json<ModelVersion>({ path });
  const [{ evaluations }, { evaluations: textEvaluations }, { decisions, deployments }, compute, reference] =
    await Promise.all([
      api.json<{ evaluations: readonly Evaluation[] }>({ path: `${path}/evaluations` }),
      api.json<{ evaluations: readonly TextEvaluation[] }>({ path: `${path}/text-evaluations` }),
      api.json<VersionRecord>({ path: `${path}/record` }),
      unlessMissing(api.json<{ profile: ComputeProfile }>({ path: `${path}/compute-profile` })),
      unlessMissing(referenceOf(api, path)),
    ]);
  return { ...version, decisions, deployments, evaluations, textEvaluations, compute, reference };
}

/** The reference profile without its cells, which are for machines. */
async function referenceOf(api: ApiClient, path: string) {
  const { profile, ...signed } = await api.json<{ profile: ReferenceProfile }>({
    path: `${path}/reference-profile`,
  });
  return { ...signed, data: profile.data, columns: profile.inputs.length + profile.outputs.length };
}

/** Null for what is not there yet: both are made by jobs after the registration. */
async function unlessMissing<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (isPortolanError(error) && error.code === "kernel.not_found") return null;
    throw error;
  }
}
