import { type JobRun, type ObjectStore, PortolanError, parseDigest } from "@portolan/kernel";
import type { EvaluationErrorCode } from "../errors.ts";
import type { AskedModel } from "../ports.ts";
import { askCases } from "./ask-cases.ts";
import type { TextCaseResult } from "./contract.ts";
import { mostLineBytes } from "./kept-answer.ts";
import type { TextCase } from "./text-case.ts";
import { addTallies, emptyTally, type TextTally, tallyOf } from "./text-tally.ts";

/** Cases of one step: what a killed process has to ask again, and what is held in memory at once. */
const chunkCases = 20;

export interface TextAnswers {
  readonly tally: TextTally;
  /** Digest of the results of all cases, in their order, one JSON object a line. */
  readonly object: string;
}

/**
 * Asks all cases, chunk by chunk. A chunk's results are an object of the store, so that memory holds one chunk whatever a server answers.
 *
 * @throws PortolanError `evaluation.upstream_away`, `evaluation.all_refused`, `evaluation.case_not_judged`
 */
export async function answersOf(
  objects: ObjectStore,
  job: JobRun,
  model: AskedModel,
  cases: readonly TextCase[],
): Promise<TextAnswers> {
  const chunks: string[] = [];
  let tally = emptyTally;
  for (let from = 0; from < cases.length; from += chunkCases) {
    const chunk = cases.slice(from, from + chunkCases);
    const { answered } = tally;
    const asked = await job.effect(`answers-${from}`, async () => {
      const results = await askCases(model, chunk, job.signal, { answeredBefore: answered });
      return { object: await objects.put(linesOf(results)), tally: tallyOf(results) };
    });
    chunks.push(asked.object);
    tally = addTallies(tally, asked.tally);
    const note = `${tally.passed} of ${tally.cases} passed, ${cases.length - tally.cases} to come`;
    await job.progress((tally.cases / cases.length) * 0.95, note);
  }
  if (tally.answered === 0) throw allRefused(tally);
  const object = await job.effect("results", async () => {
    const { digest } = await objects.putStream(bytesOf(objects, chunks), cases.length * mostLineBytes);
    return digest;
  });
  return { tally, object };
}

function linesOf(results: readonly TextCaseResult[]): Uint8Array {
  return Buffer.from(results.map((one) => `${JSON.stringify(one)}\n`).join(""));
}

async function* bytesOf(objects: ObjectStore, chunks: readonly string[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) {
    const digest = parseDigest(chunk);
    if (!digest) throw new PortolanError("kernel.internal", { detail: "a step names no object" });
    yield await objects.get(digest);
  }
}

function allRefused({ cases, firstUnanswered }: TextTally): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.all_refused", {
    detail: `none of ${cases} cases was answered; the first: ${firstUnanswered ?? "it has no answer"}`,
    mend: "See that the version, its operations and the cases fit what the server takes, and evaluate again; nothing was recorded.",
  });
}
