/**
 * Normalised discounted cumulative gain of one query's rows down to rank `most`: gains are the relevances themselves, and rows that tie share their ranks.
 * Equals scikit-learn's `ndcg_score`; 0 where nothing is relevant.
 * @throws RangeError for fewer than two rows, lengths that differ, a relevance that is negative or no finite number, or a score that is none
 */
export function ndcg(scores: ArrayLike<number>, relevances: ArrayLike<number>, most: number): number {
  const [said, relevant] = [Array.from(scores), Array.from(relevances)];
  if (said.length !== relevant.length) throw new RangeError("scores and labels differ in length");
  if (said.length < 2) throw new RangeError("a ranking needs at least two rows");
  if (!said.every(Number.isFinite)) throw new RangeError("a score is not a finite number");
  if (!relevant.every((value) => Number.isFinite(value) && value >= 0))
    throw new RangeError("a relevance is negative, or not a finite number");
  const ideal = gainOf(relevant, relevant, most);
  return ideal === 0 ? 0 : gainOf(said, relevant, most) / ideal;
}

/** Of rows by score, the highest first; each of those that tie has their mean relevance. */
function gainOf(scores: readonly number[], relevances: readonly number[], most: number): number {
  const order = [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  let gain = 0;
  let from = 0;
  while (from < Math.min(order.length, most)) {
    const score = scores[order[from] ?? 0];
    let [to, sum] = [from, 0];
    for (; to < order.length && scores[order[to] ?? 0] === score; to++)
      sum += relevances[order[to] ?? 0] ?? 0;
    for (let rank = from; rank < Math.min(to, most); rank++) gain += sum / (to - from) / Math.log2(rank + 2);
    from = to;
  }
  return gain;
}
