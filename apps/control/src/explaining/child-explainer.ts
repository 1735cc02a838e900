import { fileURLToPath } from "node:url";
import { type Explainer, notExplainable } from "@portolan/evaluation";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { askWalledChild } from "../scoring/walled-child.ts";
import type { ExplainChildJob, ExplainChildReply } from "./explain-messages.ts";
import { Turns } from "./turns.ts";

const entry = fileURLToPath(new URL("./explain-child.ts", import.meta.url));
const backgroundLimitMs = 10 * 60_000;
const explainLimitMs = 30_000;
const memoryBytes = 4 * 2 ** 30;

/** Processes that explain for callers at the same time; others wait for their turn. */
const atOnce = 2;
/** Callers who may wait: beyond them the answer is at once that there are too many. */
const mostWaiting = 50;

/** Explains in child processes that see the model and its rows and nothing else, a few at a time. */
export function createChildExplainer(objects: ObjectStore): Explainer {
  const turns = new Turns(atOnce, mostWaiting, busy);
  const ask = (job: ExplainChildJob, readable: readonly string[], limitMs: number, signal: AbortSignal) =>
    askWalledChild<ExplainChildReply>({ entry, readable, memoryBytes, limitMs }, job, signal, refused);
  return {
    async background({ model, dataset, features }, signal) {
      const { modelPath, signature } = await modelOf(objects, model);
      const datasetPath = await objects.localPath(dataset);
      const job: ExplainChildJob = { kind: "background", modelPath, signature, datasetPath, features };
      const reply = await ask(job, [modelPath, datasetPath], backgroundLimitMs, signal);
      if (reply.kind === "unexplainable") return undefined;
      if (reply.kind === "counted") return reply.counted;
      throw refused(reply.kind === "refused" ? reply.reason : "its process gave another answer");
    },
    async explain({ model, background, ...asked }, signal) {
      const { modelPath, signature } = await modelOf(objects, model);
      const backgroundPath = await objects.localPath(background);
      const job: ExplainChildJob = { kind: "explain", modelPath, signature, backgroundPath, ...asked };
      const readable = [modelPath, backgroundPath];
      const reply = await turns.take(() => ask(job, readable, explainLimitMs, signal));
      if (reply.kind === "explained") return reply.explained;
      throw refused(reply.kind === "refused" ? reply.reason : "its process gave another answer");
    },
  };
}

function busy(): PortolanError {
  return new PortolanError("evaluation.explainer_busy", {
    detail: `${mostWaiting} explanations wait already`,
    mend: "Ask again in a moment.",
  });
}

async function modelOf(objects: ObjectStore, model: Parameters<ObjectStore["get"]>[0]) {
  const signature = signatureOf(readOnnxModel(await objects.get(model)));
  return { modelPath: await objects.localPath(model), signature };
}

function refused(reason: string): Error {
  return notExplainable(
    reason,
    "Explain a prediction of a model that takes one table of numbers, by its own columns.",
  );
}
