import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import type { FeaturePlan } from "@portolan/serving/contract";
import type { ScoringTarget } from "./ports.ts";

/** One element of a row of a model's input, and the column of the snapshot that it comes from. */
export interface FilledColumn {
  readonly column: string;
  /** What stands in for an absent value, `NaN` as text included; null: the row is refused. */
  readonly standIn: number | string | null;
  /** True where the endpoint looks the value up: one that is absent, and has no stand-in, is refused whatever the rules on NaN. */
  readonly isFeature?: boolean;
}

export interface FilledTensor {
  readonly spec: TensorSpec;
  readonly columns: readonly FilledColumn[];
}

/** How a row of a snapshot becomes the model's inputs, and what becomes of gaps. */
export interface InputPlan {
  readonly signature: ModelSignature;
  readonly inputs: readonly FilledTensor[];
  readonly nonFinite: ScoringTarget["nonFinite"];
  readonly nonFiniteOutputs: ScoringTarget["nonFiniteOutputs"];
}

export interface SnapshotColumns {
  readonly columns: readonly string[];
  /** Those that a training set holds for a model's inputs, in their order. */
  readonly features?: readonly string[];
}

export type InputPlanVerdict =
  | { readonly kind: "plan"; readonly plan: InputPlan }
  | { readonly kind: "refused"; readonly reason: string; readonly mend: string };

/**
 * Which columns fill which inputs: those that the caller names, or a training set's features, or what an endpoint takes from a
 * request, by name. Features that the endpoint looks up must be in the snapshot: their values of today say nothing of past rows. Pure.
 */
export function planInputs(
  target: Pick<ScoringTarget, "signature" | "features" | "nonFinite" | "nonFiniteOutputs">,
  snapshot: SnapshotColumns,
  named?: readonly string[],
): InputPlanVerdict {
  const missing = (named ?? []).filter((column) => !snapshot.columns.includes(column));
  if (missing[0]) return refused(`the snapshot has no column ${missing.join(", ")}`, "See its manifest.");
  const order = named ?? snapshot.features;
  const inputs = order
    ? inOrder(target.signature, target.features, order)
    : byName(target.signature, target.features, snapshot.columns);
  if (typeof inputs === "string")
    return refused(
      inputs,
      order
        ? "Name the columns that fill the model's inputs, in their order (--columns)."
        : "Score a training set, which holds the features as they were known then, or name the columns (--columns).",
    );
  const { signature, nonFinite, nonFiniteOutputs } = target;
  return { kind: "plan", plan: { signature, inputs, nonFinite, nonFiniteOutputs } };
}

function refused(reason: string, mend: string): InputPlanVerdict {
  return { kind: "refused", reason, mend };
}

/** The inputs one after the other take as many columns as a row of theirs has elements. */
function inOrder(
  { inputs }: ModelSignature,
  features: FeaturePlan | null,
  columns: readonly string[],
): FilledTensor[] | string {
  let at = 0;
  const filled = inputs.map((spec) => {
    const width = widthOf(spec, inputs.length === 1 ? columns.length : 1);
    const own = columns.slice(at, at + width);
    at += width;
    return {
      spec,
      columns: own.map((column, index) => ({ column, ...rulesOf(features, spec.name, index) })),
    };
  });
  return at === columns.length &&
    filled.every(({ spec, columns: own }) => own.length === widthOf(spec, own.length))
    ? filled
    : `${columns.length} columns do not fill ${inputs.map(({ name, shape }) => `"${name}" [${shape.join(", ")}]`).join(" and ")}`;
}

function byName(
  { inputs }: ModelSignature,
  features: FeaturePlan | null,
  columns: readonly string[],
): FilledTensor[] | string {
  const problems: string[] = [];
  const filled = inputs.map((spec) => {
    const of = features?.columns.filter(({ input }) => input === spec.name) ?? [];
    const width = widthOf(spec, Math.max(1, of.length));
    const own = Array.from({ length: width }, (_, index): FilledColumn => {
      const from = of.find((column) => (column.index ?? 0) === index)?.from;
      const looked = from?.kind === "feature" ? from.feature : undefined;
      const column = from?.kind === "request" ? from.name : (looked ?? spec.name);
      if (!columns.includes(column))
        problems.push(looked ? `the feature ${looked} is looked up online` : `there is no column ${column}`);
      else if (width > 1 && !from) problems.push(`nothing names the ${width} columns of "${spec.name}"`);
      return { column, ...rulesOf(features, spec.name, index) };
    });
    return { spec, columns: own };
  });
  return problems[0] ?? filled;
}

function rulesOf(
  features: FeaturePlan | null,
  tensor: string,
  index: number,
): Pick<FilledColumn, "standIn" | "isFeature"> {
  const found = features?.columns.find(({ input, index: at }) => input === tensor && (at ?? 0) === index);
  return { standIn: found?.missing ?? null, ...(found?.from.kind === "feature" ? { isFeature: true } : {}) };
}

/** Elements of one row; dimensions that the model leaves open take `open` together. */
function widthOf({ shape }: TensorSpec, open: number): number {
  return shape.slice(1).reduce((product, dim) => product * (dim === -1 ? open : dim), 1);
}
