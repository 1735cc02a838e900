import { type Digest, type ObjectStore, PortolanError } from "@portolan/kernel";
import {
  type BackendOutcome,
  type BackendTask,
  metricsOf,
  mostMetricsBytes,
  type RemoteTracking,
  type TrainingErrorCode,
} from "@portolan/training";
import { Compile, Type } from "@portolan/typebox";

const Stored = Type.Object({
  digest: Type.String({ pattern: "^sha256:[0-9a-f]{64}$" }),
  sizeBytes: Type.Integer({ minimum: 1 }),
});
const Manifest = Compile(
  Type.Object({
    run: Type.String(),
    python: Type.String({ maxLength: 40 }),
    ray: Type.String({ maxLength: 40 }),
    model: Stored,
    metrics: Stored,
  }),
);
const mostManifestBytes = 64 * 2 ** 10;
/** Below the run's artifacts. */
const folder = "portolan";

/** What a job brought back: the files that it logged to its run, as its manifest names them. */
export async function readOutputs(
  { objects, tracking }: { readonly objects: ObjectStore; readonly tracking: RemoteTracking },
  task: BackendTask,
): Promise<
  Pick<BackendOutcome, "model" | "metrics" | "python"> & {
    /** Its version. */
    readonly ray: string;
  }
> {
  const { call, runId } = task;
  const find = async (name: string, mostBytes: number) => {
    const found = await tracking.findFile(call, runId, `${folder}/${name}`);
    if (!found) throw spoiled(`the job ended well and left no ${name} with the run's artifacts`);
    if (found.sizeBytes > mostBytes)
      throw spoiled(`${name} has ${found.sizeBytes} bytes; ${mostBytes} are taken`);
    return found;
  };
  const text = async (digest: Digest) => new TextDecoder().decode(await objects.get(digest));
  const manifest = parsed(await text((await find("manifest.json", mostManifestBytes)).digest));
  if (!Manifest.Check(manifest) || manifest.run !== runId)
    throw spoiled("the job's manifest.json is not one of this run");
  const [model, metrics] = [
    await find("model.onnx", task.limits.diskLimitBytes),
    await find("metrics.json", mostMetricsBytes),
  ];
  if (model.digest !== manifest.model.digest || metrics.digest !== manifest.metrics.digest)
    throw spoiled("what the job stored is not what its manifest.json names");
  return {
    model,
    metrics: metricsOf(await text(metrics.digest)),
    python: manifest.python,
    ray: manifest.ray,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function spoiled(detail: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.trainer_failed", {
    detail,
    mend: "Read its log with GET /v1/training-runs/<id>/logs, and start another run.",
  });
}
