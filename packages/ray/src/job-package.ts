import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { canonicalBytes, PortolanError, type Secret } from "@portolan/kernel";
import type { BackendTask, TrainingErrorCode } from "@portolan/training";
import type { RaySettings } from "./ray-settings.ts";
import { type ZipEntry, zipOf } from "./zip.ts";

/** Ray's dashboard takes 100 MiB a request; the rest is for the archive's own words. */
const mostBytes = 96 * 2 ** 20;
/** How long a job that has ended waits for a server that is being started anew. */
const answerSeconds = 900;

const driver = new URL("./portolan_job.py", import.meta.url);
/** Runs in the folder of the unpacked package. */
export const entrypoint = "python3 portolan_job.py";

/**
 * The files of a job as one archive: program, parameters, training set, the driver, and the run's token. It is the one private way to a job: what the
 * Jobs API takes beside it, it shows to everyone who may list jobs.
 *
 * @throws PortolanError `training.inputs_too_large`
 */
export async function packageOf(
  { controlUrl, python }: Pick<RaySettings, "controlUrl" | "python">,
  task: BackendTask,
  token: Secret,
): Promise<{ readonly name: string; readonly bytes: Buffer }> {
  const { runId, code, trainingSet, baseModel, paramsFile, limits } = task;
  const files = [
    { name: "train.py", path: code },
    { name: "params.json", path: paramsFile },
    { name: "training-set.parquet", path: trainingSet },
    ...(baseModel === undefined ? [] : [{ name: "base-model.onnx", path: baseModel }]),
  ];
  const sizes = await Promise.all(files.map(async ({ path }) => (await stat(path)).size));
  const size = sizes.reduce((sum, one) => sum + one, 0);
  if (size > mostBytes) throw tooLarge(size);
  const job = {
    run_id: runId,
    control_url: controlUrl,
    python,
    has_base_model: baseModel !== undefined,
    threads: limits.threads,
    cpu_seconds: limits.cpuSeconds,
    disk_bytes: limits.diskLimitBytes,
    timeout_seconds: Math.ceil(limits.timeoutMs / 1000),
    answer_seconds: answerSeconds,
  };
  const entries: ZipEntry[] = [
    { name: "portolan_job.py", bytes: await readFile(driver) },
    { name: "portolan-job.json", bytes: canonicalBytes(job) },
    { name: "portolan-token", bytes: Buffer.from(token.reveal()) },
  ];
  for (const { name, path } of files) entries.push({ name, bytes: await readFile(path) });
  const bytes = zipOf(entries);
  const hash = createHash("sha256").update(bytes).digest("hex");
  return { name: `portolan_${hash.slice(0, 40)}.zip`, bytes };
}

function tooLarge(size: number): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.inputs_too_large", {
    detail: `training set and program are ${Math.ceil(size / 2 ** 20)} MiB, and a job's files are ${mostBytes / 2 ** 20} MiB at most`,
    mend: "Train beside the server (leave `backend` out), or on a sample.",
  });
}
