import { type JobRun, type ObjectStore, PortolanError, parseDigest, type UnitOfWork } from "@portolan/kernel";
import type { EvaluationErrorCode } from "../errors.ts";
import type { AskedModel } from "../ports.ts";
import { askCases } from "./ask-cases.ts";
import type { TextCaseResult } from "./contract.ts";
import { askJudge, type Judge } from "./judge/ask-judge.ts";
import {
  addJudgeTallies,
  emptyJudgeTally,
  type JudgeTally,
  sourceOf,
  tallyOfCases,
  tallyOfLabelled,
  withVerdict,
} from "./judge/faithfulness.ts";
import type { FrozenVerdict } from "./judge/verdict-store.ts";
import { mostLineBytes } from "./kept-answer.ts";
import type { LabelledAnswer, TextCase, TextCases } from "./text-case.ts";
import { addTallies, emptyTally, type TextTally, tallyOf } from "./text-tally.ts";

/** Cases of one step: what a killed process has to ask again, and what is held in memory at once. */
const chunkCases = 20;

export interface TextAnswers {
  readonly tally: TextTally;
  /** Digest of the results of all cases, in their order, one JSON object a line. */
  readonly object: string;
  readonly judged: JudgeTally;
  /** That were given now, to be kept. */
  readonly verdicts: readonly FrozenVerdict[];
}

/** Where answers come from, and whose word decides those of cases with a source. */
export interface Asked {
  readonly objects: ObjectStore;
  readonly work: UnitOfWork;
  readonly model: AskedModel;
  readonly judge?: Judge;
}

/**
 * Asks all cases, chunk by chunk. A chunk's results are an object of the store, so that memory holds one chunk whatever a server answers.
 *
 * @throws PortolanError `evaluation.upstream_away`, `evaluation.all_refused`, `evaluation.case_not_judged`
 */
export async function answersOf(
  asked: Asked,
  job: JobRun,
  { cases, labelled }: TextCases,
): Promise<TextAnswers> {
  const { objects } = asked;
  const chunks: string[] = [];
  let tally = emptyTally;
  let { judged, verdicts } = await labelledOf(asked, job, labelled);
  for (let from = 0; from < cases.length; from += chunkCases) {
    const chunk = cases.slice(from, from + chunkCases);
    const { answered } = tally;
    const found = await job.effect(`answers-${from}`, async () => {
      const said = await askCases(asked.model, chunk, job.signal, { answeredBefore: answered });
      const { results, fresh } = await judgeResults(asked, job, chunk, said);
      const object = await objects.put(linesOf(results));
      return { object, tally: tallyOf(results), judged: tallyOfCases(chunk, results), fresh };
    });
    chunks.push(found.object);
    tally = addTallies(tally, found.tally);
    judged = addJudgeTallies(judged, found.judged);
    verdicts = [...verdicts, ...found.fresh];
    const note = `${tally.passed} of ${tally.cases} passed, ${cases.length - tally.cases} to come`;
    await job.progress((tally.cases / cases.length) * 0.95, note);
  }
  if (tally.answered === 0) throw allRefused(tally);
  const object = await job.effect("results", async () => {
    const { digest } = await objects.putStream(bytesOf(objects, chunks), cases.length * mostLineBytes);
    return digest;
  });
  return { tally, object, judged, verdicts };
}

/** How the judge does on answers that people labelled; nothing without a judge. */
async function labelledOf(
  { work, judge }: Asked,
  job: JobRun,
  labelled: readonly LabelledAnswer[],
): Promise<{ readonly judged: JudgeTally; readonly verdicts: readonly FrozenVerdict[] }> {
  let judged = emptyJudgeTally;
  let verdicts: readonly FrozenVerdict[] = [];
  if (!judge) return { judged, verdicts };
  for (let from = 0; from < labelled.length; from += chunkCases) {
    const chunk = labelled.slice(from, from + chunkCases);
    const found = await job.effect(`labelled-${from}`, async () => {
      const given = await askJudge(work, job.call, judge, chunk, job.signal);
      return { tally: tallyOfLabelled(chunk, given), fresh: given.flatMap(({ fresh }) => fresh ?? []) };
    });
    judged = addJudgeTallies(judged, found.tally);
    verdicts = [...verdicts, ...found.fresh];
  }
  return { judged, verdicts };
}

/** The results with the judge's word on answers that have a source; what was cut or never said stays not passed. */
async function judgeResults(
  { work, judge }: Asked,
  job: JobRun,
  cases: readonly TextCase[],
  results: readonly TextCaseResult[],
): Promise<{ readonly results: readonly TextCaseResult[]; readonly fresh: readonly FrozenVerdict[] }> {
  const open = results.flatMap((result, at) => {
    const one = cases[at];
    const source = one && sourceOf(one);
    const { answer, isCut } = result;
    return source === undefined || answer === undefined || isCut ? [] : [{ at, source, answer }];
  });
  if (!judge || open.length === 0) return { results, fresh: [] };
  const given = await askJudge(work, job.call, judge, open, job.signal);
  const told = new Map(open.map(({ at }, index) => [at, given[index]]));
  return {
    results: results.map((result, at) => {
      const verdict = told.get(at);
      return verdict ? withVerdict(result, verdict) : result;
    }),
    fresh: given.flatMap(({ fresh }) => fresh ?? []),
  };
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
