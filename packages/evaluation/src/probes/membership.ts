import { aucInterval, logLosses, logLossOf, rocAuc, type ScoredSet, seededRandom } from "@portolan/numerics";
import type { MembershipReport } from "./contract.ts";
import { probeSeed } from "./robustness-report.ts";

/** Rows of either kind that an attack is measured on, at most. */
export const membershipRows = 20_000;

/**
 * How well a model's scores tell the rows that it was trained on from others: by their loss (Yeom et al. 2018), and by what the one half of the rows shows of
 * scores by class for the other half. No shadow models are trained. Intervals are DeLong's. Pure: the halves are drawn by a fixed seed.
 * Rows of which the model makes no number, e.g. for a gap, are counted and left out.
 * @param allMembers rows that the model was trained on
 * @param allOthers rows that it cannot have learned from
 */
export function measureMembership(allMembers: ScoredSet, allOthers: ScoredSet): MembershipReport {
  const attacked = (all: ScoredSet): AttackedRows => {
    const rows = withScore(all);
    return { ...rows, losses: logLosses(rows), unscored: all.scores.length - rows.scores.length };
  };
  return attackMembership(attacked(allMembers), attacked(allOthers));
}

/** Rows of several classes: the number of the class that each is of, and the probability that was given to it. */
export interface ClassLikelihoods {
  readonly labels: Uint16Array;
  readonly likelihoods: Float64Array;
}

/** The same of several classes: by the loss of the row's own class, and by what its probability shows class by class. Pure. */
export function measureClassMembership(
  allMembers: ClassLikelihoods,
  allOthers: ClassLikelihoods,
): MembershipReport {
  const attacked = ({ labels, likelihoods }: ClassLikelihoods): AttackedRows => ({
    labels,
    scores: likelihoods,
    losses: likelihoods.map(logLossOf),
    unscored: 0,
  });
  return attackMembership(attacked(allMembers), attacked(allOthers));
}

interface AttackedRows {
  readonly labels: ArrayLike<number> & Iterable<number>;
  /** By which rows of a class are told apart. */
  readonly scores: Float64Array;
  readonly losses: Float64Array;
  /** Rows that were left out. */
  readonly unscored: number;
}

function attackMembership(members: AttackedRows, others: AttackedRows): MembershipReport {
  const unscored = members.unscored + others.unscored;
  const counts = { members: members.scores.length, others: others.scores.length, unscored };
  const few = Math.min(counts.members, counts.others) < 30;
  if (few) return { ...counts, attacks: [], problem: "fewer than 30 rows of either kind" };
  const labels = Uint8Array.from({ length: counts.members + counts.others }, (_, at) =>
    Number(at < counts.members),
  );
  const losses = [...members.losses, ...others.losses];
  const byLoss = Float64Array.from(losses, (loss) => -loss);
  const scores = [...members.scores, ...others.scores];
  const classes = [...members.labels, ...others.labels];
  const learned = learnedScores(scores, classes, labels);
  return {
    ...counts,
    attacks: [
      { attack: "loss", ...aucOf(byLoss, labels) },
      { attack: "learned", ...aucOf(learned, labels) },
    ],
  };
}

function withScore({ scores, labels }: ScoredSet): ScoredSet {
  const isScored = (_: number, row: number): boolean => Number.isFinite(scores[row]);
  return { scores: scores.filter(isScored), labels: labels.filter(isScored) };
}

function aucOf(scores: Float64Array, labels: Uint8Array) {
  const estimate = rocAuc({ scores, labels });
  return { auc: estimate.auc, interval: aucInterval(estimate) };
}

/** Bins of scores of one class, of equally many rows. */
const bins = 20;

/** Of each row the share of members among the other half's rows of its class and bin of scores, one row of either kind added to each. */
function learnedScores(
  scores: readonly number[],
  classes: readonly number[],
  members: Uint8Array,
): Float64Array {
  const random = seededRandom(probeSeed);
  const half = Uint8Array.from(scores, () => Number(random() < 0.5));
  const found = new Float64Array(scores.length);
  for (const side of [0, 1]) {
    for (const label of new Set(classes)) {
      const rows = scores.flatMap((_, row) => (classes[row] === label ? [row] : []));
      const known = rows.filter((row) => half[row] !== side);
      const sorted = known.map((row) => scores[row] ?? 0).toSorted((a, b) => a - b);
      const edges = Array.from(
        { length: bins - 1 },
        (_, at) => sorted[Math.floor(((at + 1) * sorted.length) / bins)] ?? 0,
      );
      const binOf = (row: number): number => edges.filter((edge) => edge < (scores[row] ?? 0)).length;
      const counts = Array.from({ length: bins }, () => ({ members: 1, all: 2 }));
      for (const row of known) {
        const count = counts[binOf(row)];
        if (!count) continue;
        count.members += members[row] ?? 0;
        count.all += 1;
      }
      for (const row of rows) {
        if (half[row] !== side) continue;
        const count = counts[binOf(row)];
        found[row] = count ? count.members / count.all : 0.5;
      }
    }
  }
  return found;
}
