import { setTimeout as delay } from "node:timers/promises";
import type { TrainingSetView } from "@portolan/features/contract";
import { PortolanError } from "@portolan/kernel";
import type { TrainingRunView } from "@portolan/training/contract";
import type { CliErrorCode } from "../errors.ts";
import type { TrainingFolder } from "../training-folder.ts";
import type { ApiClient } from "./api-client.ts";
import { uploadArtifact } from "./artifacts.ts";

/** Where a training belongs. */
export interface TrainingPlace {
  readonly environment: string;
  readonly useCaseId: string;
}

const pollMs = 500;

/**
 * Builds a training set and waits for it; the building goes on when the waiting stops.
 * @throws PortolanError `cli.job_failed` with the server's reason
 */
export async function buildTrainingSet(
  api: ApiClient,
  place: TrainingPlace,
  recipe: Readonly<Record<string, unknown>>,
): Promise<TrainingSetView> {
  const body = { ...recipe, ...place };
  const { id } = await api.json<TrainingSetView>({ path: "/v1/training-sets", body });
  for (;;) {
    const set = await api.json<TrainingSetView>({ path: `/v1/training-sets/${id}` });
    if (set.state === "ready") return set;
    if (set.state === "failed" || set.state === "cancelled")
      throw failed(`training set ${id} ${set.state}: ${set.failure ?? "no reason given"}`, "See the recipe.");
    await delay(pollMs);
  }
}

/**
 * Trains a folder's program on a set and waits for its end; the run goes on when the waiting stops.
 * @throws PortolanError `cli.job_failed` with the server's reason
 */
export async function runTraining(
  api: ApiClient,
  place: TrainingPlace,
  folder: TrainingFolder,
  trainingSetId: string,
  seed: number,
): Promise<TrainingRunView> {
  const upload = (text: string) => uploadArtifact(api, place, Buffer.from(text));
  const locks: Record<string, string> = {};
  for (const { minor, text } of folder.locks) locks[minor] = await upload(text);
  const body = {
    ...place,
    trainingSetId,
    code: await upload(folder.program),
    locks,
    params: folder.params,
    seed,
  };
  const { id } = await api.json<TrainingRunView>({ path: "/v1/training-runs", body });
  for (;;) {
    const run = await api.json<TrainingRunView>({ path: `/v1/training-runs/${id}` });
    if (run.state === "succeeded") return run;
    if (run.state === "failed" || run.state === "cancelled")
      throw failed(
        `training run ${id} ${run.state}: ${run.failure ?? "no reason given"}`,
        `See what it logged: portolan model run ${id}`,
      );
    await delay(pollMs);
  }
}

function failed(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.job_failed", { detail, mend });
}
