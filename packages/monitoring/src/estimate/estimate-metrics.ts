import { normalQuantile } from "@portolan/numerics";
import type { Calibration, EstimatedMetric } from "./estimate-schema.ts";

/** What became of the answers of a cell. */
export type Outcomes = Calibration["cells"][number];

/** Answers of like scores: what became of them in the reference, and how many there are now. */
export interface CalibratedCell {
  readonly reference: Outcomes;
  readonly now: number;
}

const kinds = ["truePositives", "falsePositives", "trueNegatives", "falseNegatives"] as const;
type Kind = (typeof kinds)[number];
/** Expected numbers of a window by what becomes of them. */
type Expected = Readonly<Record<Kind, number>>;

/** Labels that a cell has in its reference: with fewer it joins its neighbour. */
const leastLabels = 30;

export function labelsOf(outcomes: Outcomes): number {
  return kinds.reduce((sum, kind) => sum + outcomes[kind], 0);
}

/** Joins neighbours until each has enough labels. Cells come in the order of their scores. */
export function joinCells(cells: readonly CalibratedCell[]): CalibratedCell[] {
  const joined: CalibratedCell[] = [];
  let open: CalibratedCell | undefined;
  for (const cell of cells) {
    open = open ? together(open, cell) : cell;
    if (labelsOf(open.reference) < leastLabels) continue;
    joined.push(open);
    open = undefined;
  }
  const last = joined.pop();
  if (open && last) return [...joined, together(last, open)];
  return last ? [...joined, last] : [];
}

function together(a: CalibratedCell, b: CalibratedCell): CalibratedCell {
  const sum = (kind: Kind): number => a.reference[kind] + b.reference[kind];
  return {
    now: a.now + b.now,
    reference: {
      truePositives: sum("truePositives"),
      falsePositives: sum("falsePositives"),
      trueNegatives: sum("trueNegatives"),
      falseNegatives: sum("falseNegatives"),
    },
  };
}

/**
 * Figures of yes and no that answers let expect whose outcome is not known (confidence-based estimation: Guillory et al. 2021): each answer becomes what answers of
 * its cell became in the reference. Intervals hold both what chance makes of so many answers, and that the reference has so many labels (delta method). Pure.
 *
 * @param cells in the order of their scores, with `leastLabels` labels each, as `joinCells` leaves them
 * @param level coverage of the intervals
 * @returns those whose denominator is not 0
 */
export function estimateMetrics(cells: readonly CalibratedCell[], level: number): EstimatedMetric[] {
  const parts = cells.map((cell) => ({ ...cell, expected: expectedOf(cell) }));
  const total = parts.reduce((sum, { expected }) => plus(sum, expected), nothing);
  const z = normalQuantile(0.5 + level / 2);
  const figures = [...figuresOf(total).map(uniform), rankFigure(parts)];
  return figures.flatMap(({ metric, value, gradients }) => {
    if (!Number.isFinite(value)) return [];
    const variance = parts.reduce((sum, cell, at) => sum + varianceOf(cell, gradients(at)), 0);
    const half = z * Math.sqrt(variance);
    return [{ metric, value, low: Math.max(0, value - half), high: Math.min(1, value + half) }];
  });
}

const nothing: Expected = { truePositives: 0, falsePositives: 0, trueNegatives: 0, falseNegatives: 0 };

function expectedOf({ reference, now }: CalibratedCell): Expected {
  const scale = now / labelsOf(reference);
  return {
    truePositives: scale * reference.truePositives,
    falsePositives: scale * reference.falsePositives,
    trueNegatives: scale * reference.trueNegatives,
    falseNegatives: scale * reference.falseNegatives,
  };
}

function plus(a: Expected, b: Expected): Expected {
  return {
    truePositives: a.truePositives + b.truePositives,
    falsePositives: a.falsePositives + b.falsePositives,
    trueNegatives: a.trueNegatives + b.trueNegatives,
    falseNegatives: a.falseNegatives + b.falseNegatives,
  };
}

interface Figure {
  readonly metric: string;
  readonly value: number;
  /** What one more of each kind in a cell changes the figure by. */
  readonly gradients: (cell: number) => Expected;
}

/** A figure that only the sums of all cells decide. */
function uniform({ metric, value, gradient }: ReturnType<typeof figuresOf>[number]): Figure {
  return { metric, value, gradients: () => gradient };
}

function figuresOf({
  truePositives: tp,
  falsePositives: fp,
  trueNegatives: tn,
  falseNegatives: fn,
}: Expected) {
  const all = tp + fp + tn + fn;
  const ratio = (metric: string, top: Expected, bottom: Expected) => {
    const sum = (of: Expected): number =>
      of.truePositives * tp + of.falsePositives * fp + of.trueNegatives * tn + of.falseNegatives * fn;
    const [above, below] = [sum(top), sum(bottom)];
    const slope = (kind: Kind): number => (top[kind] - (bottom[kind] * above) / below) / below;
    return { metric, value: above / below, gradient: each(slope) };
  };
  const one = (...which: readonly Kind[]): Expected => each((kind) => Number(which.includes(kind)));
  const recall = ratio("recall", one("truePositives"), one("truePositives", "falseNegatives"));
  const specificity = ratio("", one("trueNegatives"), one("trueNegatives", "falsePositives"));
  const double = { ...nothing, truePositives: 2 };
  return [
    ratio(
      "accuracy",
      one("truePositives", "trueNegatives"),
      each(() => 1),
    ),
    {
      metric: "balanced_accuracy",
      value: (recall.value + specificity.value) / 2,
      gradient: each((kind) => (recall.gradient[kind] + specificity.gradient[kind]) / 2),
    },
    ratio("precision", one("truePositives"), one("truePositives", "falsePositives")),
    recall,
    ratio("f1", double, { ...double, falsePositives: 1, falseNegatives: 1 }),
  ].map((figure) => (all > 0 ? figure : { ...figure, value: Number.NaN }));
}

function each(of: (kind: Kind) => number): Expected {
  return {
    truePositives: of("truePositives"),
    falsePositives: of("falsePositives"),
    trueNegatives: of("trueNegatives"),
    falseNegatives: of("falseNegatives"),
  };
}

/** AUC over cells: of a positive and a negative in one cell, each is above the other by half. */
function rankFigure(parts: readonly { readonly expected: Expected }[]): Figure {
  const positives = parts.map(({ expected }) => expected.truePositives + expected.falseNegatives);
  const negatives = parts.map(({ expected }) => expected.trueNegatives + expected.falsePositives);
  const [all, none] = [positives, negatives].map((of) => of.reduce((sum, one) => sum + one, 0)) as [
    number,
    number,
  ];
  const below = ranks(negatives);
  const above = ranks(positives.toReversed()).toReversed();
  const value = positives.reduce((sum, count, at) => sum + count * (below[at] ?? 0), 0) / (all * none);
  return {
    metric: "roc_auc",
    value,
    gradients: (cell) => {
      const positive = ((below[cell] ?? 0) / none - value) / all;
      const negative = ((above[cell] ?? 0) / all - value) / none;
      return {
        truePositives: positive,
        falseNegatives: positive,
        trueNegatives: negative,
        falsePositives: negative,
      };
    },
  };
}

/** Of each cell the sum of those before it, and half of its own. */
function ranks(counts: readonly number[]): number[] {
  let before = 0;
  return counts.map((count) => {
    before += count;
    return before - count / 2;
  });
}

/** Of a gradient over what becomes of the cell's answers: of their own draw, and of the reference's that their chances are read from. */
function varianceOf({ reference, now }: CalibratedCell, gradient: Expected): number {
  const labels = labelsOf(reference);
  // A half more of each: what never happened in thirty labels is not impossible.
  const share = (kind: Kind): number => (reference[kind] + 0.5) / (labels + 2);
  const mean = kinds.reduce((sum, kind) => sum + share(kind) * gradient[kind], 0);
  const spread = kinds.reduce((sum, kind) => sum + share(kind) * (gradient[kind] - mean) ** 2, 0);
  return (now + now ** 2 / labels) * spread;
}
