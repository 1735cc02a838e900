import { setTimeout as delay } from "node:timers/promises";
import type { TrainingSetView } from "@portolan/features/contract";
import { PortolanError } from "@portolan/kernel";
import type { TrainingRunRequest, TrainingRunResult, TrainingRunView } from "@portolan/training/contract";
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
  const read = () => api.json<TrainingSetView>({ path: `/v1/training-sets/${id}` });
  return untilOver(read, "ready", `training set ${id}`, "See the recipe.");
}

/** What a run is started from. */
export interface TrainingWork {
  readonly folder: Pick<TrainingFolder, "program" | "locks" | "params">;
  readonly trainingSetId: string;
  readonly seed: number;
  readonly baseModel?: { readonly name: string; readonly version: number };
  /** Absent: beside the server. */
  readonly backend?: NonNullable<TrainingRunRequest["backend"]>;
  readonly checkpointIntervalSeconds?: number;
  readonly preemptible?: boolean;
  readonly resources?: NonNullable<TrainingRunRequest["resources"]>;
  readonly priority?: number;
}

/** Begins to train a program on a set. */
export async function startTraining(
  api: ApiClient,
  place: TrainingPlace,
  { folder, ...work }: TrainingWork,
): Promise<TrainingRunView> {
  const upload = (text: string) => uploadArtifact(api, place, Buffer.from(text));
  const locks: Record<string, string> = {};
  for (const { minor, text } of folder.locks) locks[minor] = await upload(text);
  const { params } = folder;
  const body = { ...place, ...work, code: await upload(folder.program), locks, params };
  return api.json<TrainingRunView>({ path: "/v1/training-runs", body });
}

/**
 * Waits for a run's end; the run goes on when the waiting stops.
 * @throws PortolanError `cli.job_failed` with the server's reason
 */
export async function waitForRun(
  api: ApiClient,
  id: string,
): Promise<TrainingRunView & { readonly result: TrainingRunResult }> {
  const read = () => api.json<TrainingRunView>({ path: `/v1/training-runs/${id}` });
  const mend = `See what it logged: portolan model run ${id}, and GET /v1/training-runs/${id}/logs.`;
  const run = await untilOver(read, "succeeded", `training run ${id}`, mend);
  const { result } = run;
  if (!result) throw failed(`training run ${id} succeeded without a result`, mend);
  return { ...run, result };
}

/** What the server works at by itself, and how it stands. */
interface Work {
  readonly state: string;
  readonly failure?: string;
}

async function untilOver<T extends Work>(
  read: () => Promise<T>,
  good: T["state"],
  what: string,
  mend: string,
): Promise<T> {
  for (;;) {
    const found = await read();
    const { state, failure = "no reason given" } = found;
    if (state === good) return found;
    if (state === "failed" || state === "cancelled") throw failed(`${what} ${state}: ${failure}`, mend);
    await delay(pollMs);
  }
}

/** What a set's manifest says of rows without a key, by view; nothing where all have theirs. */
export function keylessRows({ manifest }: TrainingSetView): string[] {
  return (manifest?.views ?? []).flatMap(({ view, nullKeys }) => {
    if (!nullKeys || nullKeys.entityRows + nullKeys.sourceRows === 0) return [];
    const { entityRows, sourceRows } = nullKeys;
    return [
      `${view}: ${entityRows} rows of the set and ${sourceRows} rows of its source lack a key, and belong to no entity`,
    ];
  });
}

function failed(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.job_failed", { detail, mend });
}
