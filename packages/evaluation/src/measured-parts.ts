import type { Interval, RowMetrics } from "./contract.ts";

/** A figure of a part of the rows. */
export interface PartFigure {
  /** The part: a class, a value of a column, or a group. */
  readonly of: string;
  readonly rows: number;
  readonly name: string;
  readonly value: number;
  readonly interval?: Interval;
}

/** Of slices what is told at a glance, by what a model answers. */
const ofSlices = ["roc_auc", "accuracy", "macro_f1", "rmse", "mae", "ndcg_at_10"] as const;
/** A card is read by people: what is beyond it is in the evaluation itself. */
const mostFigures = 200;

/** What was measured of each class, slice and group that has enough rows. Pure. */
export function measuredParts({
  classes = [],
  classCalibration,
  sliced,
  fairness,
}: RowMetrics): PartFigure[] {
  const figures: PartFigure[] = [
    ...classes.flatMap(({ name, rows, recall, precision, f1 }) => {
      const of = { of: `class ${name}`, rows };
      return [
        ...(recall ? [{ ...of, name: "recall", ...recall }] : []),
        ...(precision ? [{ ...of, name: "precision", ...precision }] : []),
        ...(f1 === undefined ? [] : [{ ...of, name: "f1", value: f1 }]),
      ];
    }),
    ...(classCalibration?.classwise.classes ?? []).flatMap((one) =>
      one.isJudged
        ? [
            {
              of: `class ${one.name}`,
              rows: one.rows,
              name: "expected_calibration_error",
              value: one.expectedCalibrationError,
            },
          ]
        : [],
    ),
    ...(sliced?.columns ?? []).flatMap(({ column, slices }) =>
      slices
        .filter(({ isJudged }) => isJudged)
        .flatMap(({ value: slice, rows, values = {}, intervals = {} }) =>
          ofSlices.flatMap((name): PartFigure[] => {
            const [value, interval] = [values[name], intervals[name]];
            if (value === undefined) return [];
            return [{ of: `${column} ${slice}`, rows, name, value, ...(interval ? { interval } : {}) }];
          }),
        ),
    ),
    ...(fairness?.attributes ?? []).flatMap(({ columns, groups, class: name }) =>
      groups.flatMap(({ value: group, rows, selectionRate, truePositiveRate }) => {
        const by = name === undefined ? "" : `class ${name} by `;
        const of = { of: `${by}${columns.join(", ")} ${group}`, rows };
        return [
          ...(selectionRate ? [{ ...of, name: "selection_rate", ...selectionRate }] : []),
          ...(truePositiveRate ? [{ ...of, name: "true_positive_rate", ...truePositiveRate }] : []),
        ];
      }),
    ),
  ];
  return figures.slice(0, mostFigures).map(({ interval, ...figure }) => ({
    ...figure,
    ...(interval ? { interval: { low: interval.low, high: interval.high, level: interval.level } } : {}),
  }));
}
