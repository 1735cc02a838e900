import { logHarmEvidence } from "./harm-evidence.ts";
import { logSumExp } from "./log-sum-exp.ts";

/** Answers of a stretch by cell of what they say, of both versions. */
export interface CountedAnswers {
  readonly candidate: readonly number[];
  readonly control: readonly number[];
  /** The candidate's share of the requests, in (0, 1). */
  readonly share: number;
  /** The control's share, which is 1 − `share` or, where neither is known, more. */
  readonly controlShare: number;
}

/**
 * ln of an e-value against "of each cell's answers the candidate gives at most `atMost` more, or fewer, than the champion": the mean over cells and
 * both directions of the evidence of harm, with the share that a version has at the end of what is allowed. Each cell's answers are a stream of events of
 * their own, so that the mean of their e-values is one too, at any number of looks.
 *
 * @param atMost 0.25: a quarter more, or as much fewer
 * @throws RangeError for shares that are none
 */
export function logDivergenceEvidence(answers: CountedAnswers, atMost: number): number {
  const logs = logsByCell(answers, atMost).flat();
  return logSumExp(logs) - Math.log(Math.max(1, logs.length));
}

/** The cell that says most for a divergence; 0 where none does. */
export function mostDivergent(answers: CountedAnswers, atMost: number): number {
  const logs = logsByCell(answers, atMost).map((both) => Math.max(...both));
  return Math.max(0, logs.indexOf(Math.max(...logs)));
}

function logsByCell({ candidate, control, share, controlShare }: CountedAnswers, atMost: number) {
  const more = allowedShare(share, atMost);
  const fewer = allowedShare(controlShare, atMost);
  return candidate.map((own, cell) => {
    const others = control[cell] ?? 0;
    return [
      logHarmEvidence({ candidate: own, control: others, share: more }),
      logHarmEvidence({ candidate: others, control: own, share: fewer }),
    ] as const;
  });
}

/** Part of the events of whoever has this part of the requests, and `atMost` more events per request than the others. */
function allowedShare(share: number, atMost: number): number {
  const grown = share * (1 + atMost);
  return grown / (grown + 1 - share);
}
