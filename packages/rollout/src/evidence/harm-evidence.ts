import { logBeta, logBetaUpperTail } from "@portolan/numerics";
import { logSumExp } from "./log-sum-exp.ts";

/** Harmful events of a stretch in which the candidate had one share of the requests. */
export interface AttributedEvents {
  /** Events of requests that the candidate was to answer. */
  readonly candidate: number;
  /** Events of all others. */
  readonly control: number;
  /** The candidate's share of the requests, in (0, 1). */
  readonly share: number;
}

/** Weight of the prior in events: it expects somewhat more than the candidate's share of them. */
const concentration = 20;

/**
 * ln of an e-value against "an event is the candidate's with at most its share of the requests": the likelihood ratio, averaged over a
 * Beta(20 ρ, 20 (1 − ρ)) distribution that is cut off below the share ρ (Robbins's mixture; Lindon and Malek 2022, arXiv 2011.03567). However often
 * and whenever one looks, the chance that it ever exceeds ln(1/α) without harm is at most α.
 *
 * @throws RangeError for a share that is none
 */
export function logHarmEvidence({ candidate, control, share }: AttributedEvents): number {
  if (!(share > 0 && share < 1)) throw new RangeError(`${share} is no share of requests`);
  const [a, b] = [concentration * share, concentration * (1 - share)];
  const averaged = logBeta(a + candidate, b + control) + logBetaUpperTail(share, a + candidate, b + control);
  const prior = logBeta(a, b) + logBetaUpperTail(share, a, b);
  return averaged - prior - candidate * Math.log(share) - control * Math.log1p(-share);
}

/** What the evidence since the first step weighs beside the evidence since each later one. */
const sinceTheFirst = 0.9;

/**
 * ln of one e-value over the steps of a release. Evidence of steps multiplies. A candidate that did well in earlier steps and then harms would
 * be found late, so a tenth is spread over the stretches that begin with each later step.
 *
 * @param logs ln of the e-values of the steps so far, in their order
 * @param planned number of steps that the release has in all, at least as many
 */
export function combineSteps(logs: readonly number[], planned: number): number {
  if (logs.length === 0) return 0;
  if (planned === 1) return logs[0] ?? 0;
  const later = (1 - sinceTheFirst) / (planned - 1);
  const terms: number[] = [];
  let product = 0;
  for (let from = logs.length - 1; from >= 0; from--) {
    product += logs[from] ?? 0;
    terms.push(product + Math.log(from === 0 ? sinceTheFirst : later));
  }
  // Stretches that have not begun are worth what was put into them.
  const unbegun = later * (planned - logs.length);
  if (unbegun > 0) terms.push(Math.log(unbegun));
  return logSumExp(terms);
}
