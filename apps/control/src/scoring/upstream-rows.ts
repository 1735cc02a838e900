import { readFile, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest, ObjectStore } from "@portolan/kernel";
import type { UpstreamDescription } from "@portolan/registry/contract";
import { readUpstream } from "@portolan/registry/policy";
import type { LoadedModel, ModelRuntime } from "@portolan/serving/policy";
import type { RowsAnswered, RowsAsked } from "./score-messages.ts";

/** A description is a few kB; an ONNX file that is this small is read in vain once. */
const mostDescriptionBytes = 1024 * 1024;
const batchMs = 60_000;
const longestWaitMs = 10_000;
const pollMs = 100;

/** What the artifact of a version that another server runs says; `undefined` for a model file. */
export async function upstreamOf(
  objects: ObjectStore,
  artifact: Digest,
): Promise<UpstreamDescription | undefined> {
  const path = await objects.localPath(artifact);
  if ((await stat(path)).size > mostDescriptionBytes) return undefined;
  return readUpstream(await readFile(path));
}

/**
 * Loads the version as a gateway does, and waits for its server for a while: no request of anybody's does.
 * @throws PortolanError `upstream.*`
 */
export async function loadUpstream(
  runtime: ModelRuntime,
  objects: ObjectStore,
  artifact: Digest,
  { model: label, signature, prompt }: UpstreamDescription,
): Promise<LoadedModel> {
  const model = await runtime.load({
    label,
    digest: artifact,
    signature,
    form: "upstream",
    origin: "imported",
    loadBytes: () => objects.get(artifact),
    ...(prompt === undefined ? {} : { loadPrompt: () => objects.get(prompt as Digest) }),
  });
  for (let waitedMs = 0; waitedMs < longestWaitMs && model.state().kind !== "ready"; waitedMs += pollMs)
    await sleep(pollMs);
  return model;
}

/** Has the server score rows: for models of one table of numbers, as they are scored here. */
export async function runElsewhere(
  model: LoadedModel,
  { signature }: UpstreamDescription,
  { batch, rows }: RowsAsked,
): Promise<RowsAnswered> {
  const [input, ...others] = signature.inputs;
  if (input?.datatype !== "FP32" || input.shape.length !== 2 || others.length > 0)
    return { kind: "failed", reason: "the model does not take exactly one table of FP32" };
  const shape = [rows, batch.length / rows];
  const outcome = await model.run([{ name: input.name, datatype: "FP32", shape, data: batch }], {
    timeoutMs: batchMs,
  });
  if (outcome.kind !== "ok")
    return { kind: "failed", reason: "detail" in outcome ? outcome.detail : "the upstream took too long" };
  return {
    kind: "ran",
    outputs: outcome.outputs.flatMap(({ data }) => (data instanceof Float32Array ? [data] : [])),
  };
}
