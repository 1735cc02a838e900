import { fileURLToPath } from "node:url";
import { type Explainer, type ExplainManyRequest, notExplainable, type RoundEnd } from "@portolan/evaluation";
import {
  type Digest,
  isPortolanError,
  messageOf,
  type ObjectStore,
  PortolanError,
  Turns,
} from "@portolan/kernel";
import { askWalledChild, type WalledJob } from "../scoring/walled-child.ts";
import type { ExplainChildJob, ExplainChildNews, ExplainChildReply } from "./explain-messages.ts";

const entry = fileURLToPath(new URL("./explain-child.ts", import.meta.url));
const backgroundLimitMs = 10 * 60_000;
const explainLimitMs = 30_000;
const memoryBytes = 4 * 2 ** 30;

/** Processes that explain at the same time; of one organisation one, so that nobody's slow model takes all. */
const atOnce = 2;
/** Callers of one organisation who may wait: beyond them the answer is at once that there are too many. */
const mostWaiting = 50;

/** A round of many predictions begins no other one after so long: other organisations and versions wait. */
const roundMs = 20_000;
/** One of them may take so long: it steps back behind all who wait. */
const oneLimitMs = 120_000;
/** Nice value of a round's process. */
const roundNiceness = 10;

/** Explains in child processes that see the model and its rows and nothing else, a few at a time. */
export function createChildExplainer(objects: ObjectStore): Explainer {
  const everybodys = new Turns(atOnce);
  const ofOrganisation = new Map<string, Turns>();
  const turnsOf = (organisationId: string): Turns => {
    const known = ofOrganisation.get(organisationId) ?? new Turns(1, { mostWaiting, busy });
    ofOrganisation.set(organisationId, known);
    return known;
  };
  const ask = (job: ExplainChildJob, readable: readonly string[], limitMs: number, signal: AbortSignal) =>
    askWalledChild<ExplainChildReply>({ entry, readable, memoryBytes, limitMs }, job, signal, refused);
  return {
    async background({ model, dataset, features }, signal) {
      const modelPath = await objects.localPath(model);
      const datasetPath = await objects.localPath(dataset);
      const job: ExplainChildJob = { kind: "background", modelPath, datasetPath, features };
      const reply = await ask(job, [modelPath, datasetPath], backgroundLimitMs, signal);
      if (reply.kind === "unexplainable") return { unexplainable: reply.reason };
      if (reply.kind === "counted") return reply.counted;
      throw refused(reply.kind === "refused" ? reply.reason : "its process gave another answer");
    },
    async explain({ model, background, organisationId, ...asked }, signal) {
      const explain = async (): Promise<ExplainChildReply> => {
        if (signal.aborted) throw refused("the caller left");
        const modelPath = await objects.localPath(model);
        const backgroundPath = await objects.localPath(background);
        const job: ExplainChildJob = { kind: "explain", modelPath, backgroundPath, ...asked };
        return ask(job, [modelPath, backgroundPath], explainLimitMs, signal);
      };
      const reply = await turnsOf(organisationId).take(() => everybodys.take(explain));
      if (reply.kind === "explained") return reply.explained;
      throw refused(reply.kind === "refused" ? reply.reason : "its process gave another answer");
    },
    explainMany: (request, keep, signal) => explainMany(objects, request, keep, signal),
  };
}

/** In a process that steps back: whoever waits for an explanation has turns of their own, and the processors first. */
async function explainMany(
  objects: ObjectStore,
  { model, background, ...asked }: ExplainManyRequest,
  keep: Parameters<Explainer["explainMany"]>[1],
  signal: AbortSignal,
): Promise<RoundEnd> {
  const paths = await pathsOf(objects, [model, background]);
  if ("reason" in paths) return { kind: "refused", reason: paths.reason };
  const [modelPath = "", backgroundPath = ""] = paths;
  const job: ExplainChildJob = { kind: "explain_many", modelPath, backgroundPath, workMs: roundMs, ...asked };
  const walled: WalledJob = {
    entry,
    readable: [modelPath, backgroundPath],
    memoryBytes,
    limitMs: oneLimitMs,
    niceness: roundNiceness,
    answer: (message) => {
      const told = message as ExplainChildNews | ExplainChildReply;
      if (told.kind !== "one") return undefined;
      keep(told.at, told.result);
      return Promise.resolve({});
    },
  };
  try {
    const reply = await askWalledChild<ExplainChildReply>(walled, job, signal, (why) => new Error(why));
    return reply.kind === "refused" ? { kind: "refused", reason: reply.reason } : { kind: "done" };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "cut_off", reason: messageOf(error) };
  }
}

/** Or why there is none: an object that is gone or damaged is so for all of a round. */
async function pathsOf(
  objects: ObjectStore,
  digests: readonly Digest[],
): Promise<readonly string[] | { readonly reason: string }> {
  try {
    return await Promise.all(digests.map((digest) => objects.localPath(digest)));
  } catch (error) {
    if (isPortolanError(error)) return { reason: error.detail ?? error.message };
    throw error;
  }
}

function busy(): PortolanError {
  return new PortolanError("evaluation.explainer_busy", {
    detail: `${mostWaiting} explanations wait already`,
    mend: "Ask again in a moment.",
  });
}

function refused(reason: string): Error {
  return notExplainable(
    reason,
    "Name a row that the request has and columns that the model has; the model has to take one table of numbers.",
  );
}
