import type { CallContext, Digest, UnitOfWork } from "@portolan/kernel";
import type { AskedModel } from "../../ports.ts";
import { type AskCasesOptions, askCases } from "../ask-cases.ts";
import type { Verdict } from "./contract.ts";
import { type JudgedAnswer, judgeQuestion, readVerdict, verdictKey } from "./judge-question.ts";
import { type FrozenVerdict, findVerdicts } from "./verdict-store.ts";

/** A text version that is asked about answers of another one. */
export interface Judge {
  readonly model: AskedModel;
  readonly artifact: Digest;
}

export interface GivenVerdict {
  readonly verdict: Verdict;
  /** It had been given before. */
  readonly isReplayed: boolean;
  /** What to keep of it; absent where it is kept already, or is none. */
  readonly fresh?: FrozenVerdict;
}

/**
 * What a judge says of answers, in their order. A verdict that was given before is not asked for again.
 * @throws PortolanError `evaluation.upstream_away` when the judge's server does not answer; what `signal` was aborted with
 */
export async function askJudge(
  work: UnitOfWork,
  call: CallContext,
  { model, artifact }: Judge,
  answers: readonly JudgedAnswer[],
  signal: AbortSignal,
  options: AskCasesOptions = {},
): Promise<GivenVerdict[]> {
  const keys = answers.map((one) => verdictKey(artifact, one));
  const known = await work.read(call, (sql) => findVerdicts(sql, call.actor.organisationId, keys));
  const open = answers.flatMap((one, at) => {
    const key = keys[at] ?? "";
    return known.has(key) ? [] : [{ key, question: judgeQuestion(key, one) }];
  });
  // The same answer may be there twice: it is asked about once.
  const asked = [...new Map(open.map((one) => [one.key, one.question])).values()];
  const said = asked.length === 0 ? [] : await askCases(model, asked, signal, options);
  const given = new Map(said.map(({ id, answer }) => [id, readVerdict(answer)]));
  return keys.map((key) => {
    const before = known.get(key);
    if (before) return { verdict: before, isReplayed: true };
    const verdict = given.get(key) ?? "none";
    return { verdict, isReplayed: false, ...(verdict === "none" ? {} : { fresh: { key, verdict } }) };
  });
}
