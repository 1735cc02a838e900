import { setTimeout as sleep } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { EvaluationErrorCode } from "../errors.ts";
import type { AskedModel, TextReply } from "../ports.ts";
import type { TextCaseResult } from "./contract.ts";
import { judgeAnswer } from "./judge-answer.ts";
import { cutToBytes, keptBytesOf } from "./kept-answer.ts";
import type { TextCase } from "./text-case.ts";

/** Cases under way at once: an evaluation is a guest of a server that others use. */
const atOnce = 4;
const answerMs = 60_000;
/** How long a server that is away or busy is waited for, again and again, before the evaluation is given up. */
const pausesMs = [500, 1000, 2000, 4000, 8000];

export interface AskCasesOptions {
  /** Cases of the same set that were answered before these. */
  readonly answeredBefore?: number;
  /** Of one answer; default a minute. */
  readonly answerMs?: number;
  /** Before a case is asked again that found its server away. */
  readonly pausesMs?: readonly number[];
}

/**
 * Asks each case once and judges its answer; the results are in the order of the cases. A question that the model refuses, or does not
 * answer in time, did not pass. A server that is away says nothing about its model: then there are no results at all.
 *
 * @throws PortolanError `evaluation.upstream_away`, `evaluation.case_not_judged`; what `signal` was aborted with
 */
export async function askCases(
  model: AskedModel,
  cases: readonly TextCase[],
  signal: AbortSignal,
  options: AskCasesOptions = {},
): Promise<TextCaseResult[]> {
  const results: TextCaseResult[] = [];
  const waiting = cases.entries();
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const asker = async (): Promise<void> => {
    for (const [at, one] of waiting) {
      either.throwIfAborted();
      results[at] = await askCase(model, one, either, options);
    }
  };
  const askers = Array.from({ length: atOnce }, () =>
    asker().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  // All have ended before anybody hears of it: nobody asks on behind the caller's back.
  await Promise.allSettled(askers);
  either.throwIfAborted();
  // Where all came too late, and nothing was answered before, the server hangs: that is no model that does not know.
  if (!options.answeredBefore && results.every(({ why }) => why === tooLate))
    throw away("it answered nothing in time");
  return results;
}

const tooLate = "no answer in time";

async function askCase(
  model: AskedModel,
  one: TextCase,
  signal: AbortSignal,
  { answerMs: timeoutMs = answerMs, pausesMs: pauses = pausesMs }: AskCasesOptions,
): Promise<TextCaseResult> {
  for (const pauseMs of [...pauses, undefined]) {
    const startMs = performance.now();
    const reply = await model.ask(one, timeoutMs, signal);
    signal.throwIfAborted();
    if (reply.kind !== "unavailable") return judged(one, reply, Math.round(performance.now() - startMs));
    if (pauseMs === undefined) throw away(reply.detail);
    await sleep(pauseMs, undefined, { signal });
  }
  throw away("it was not asked");
}

function judged(
  one: TextCase,
  reply: Exclude<TextReply, { kind: "unavailable" }>,
  latencyMs: number,
): TextCaseResult {
  const { id } = one;
  const none = { promptTokens: 0, completionTokens: 0, isEstimated: false, latencyMs };
  switch (reply.kind) {
    case "timeout":
      return { id, passed: false, why: tooLate, ...none };
    case "refused":
      return { id, passed: false, why: `refused: ${reply.detail}`, ...none };
    case "answered": {
      const { kind: _, text, ...told } = reply;
      const answer = cutToBytes(text, keptBytesOf(one));
      if (answer.length === text.length)
        return { id, ...judgeAnswer(one, answer), answer, ...told, latencyMs };
      const why = `it is longer than ${one.maxTokens} tokens can be`;
      return { id, passed: false, why, answer, isCut: true, ...told, latencyMs };
    }
  }
}

function away(detail: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.upstream_away", {
    detail: `the server of the version cannot be evaluated: ${detail}`,
    mend: "Look after the server, and evaluate again; nothing was recorded.",
  });
}
