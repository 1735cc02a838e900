import type { FeatureValue } from "@portolan/predictions/contract";
import type { ServedValues } from "./served-values.ts";

/** What the offline path says of one entity of a view at a moment. */
export interface DerivedValues {
  readonly status: "found" | "not_found" | "outside_max_age";
  readonly asOf?: number;
  readonly exactFrom?: number;
  /** The online store may not keep as many events as the windows of this entity reach. */
  readonly mayBeCut?: true;
  readonly values: Readonly<Record<string, number | string | null>>;
  /** Of each value, why it is there or is not. */
  readonly statuses: Readonly<Record<string, ValueStatus>>;
}

type ValueStatus = "present" | "null" | "not_found" | "outside_max_age";

export interface Mismatch {
  readonly prediction: string;
  readonly row: number;
  readonly key: readonly string[];
  readonly at: number;
  readonly served: Pick<FeatureValue, "value" | "source" | "at" | "status">;
  /** What could have been served: one answer, or more where values were going online at that very moment. */
  readonly derived: readonly {
    readonly status: ValueStatus;
    readonly value: number | string | null;
    readonly asOf?: number;
  }[];
}

/**
 * Whether a served value is what the offline path says, bit for bit, by one of the answers that were possible at its moment; the mismatch
 * otherwise. Pure.
 */
export function judgeServed(
  { prediction, row, key, at }: ServedValues,
  served: FeatureValue,
  answers: readonly DerivedValues[],
): Mismatch | undefined {
  if (answers.some((answer) => agrees(served, answer, at))) return undefined;
  const derived = answers.map(({ status, statuses, values, asOf }) => ({
    status: statuses[served.name] ?? (status === "found" ? "present" : status),
    value: values[served.name] ?? null,
    ...(asOf === undefined ? {} : { asOf }),
  }));
  const { value, source, status: stated, at: servedAsOf } = served;
  return {
    prediction,
    row,
    key,
    at,
    served: {
      value,
      source,
      ...(servedAsOf === undefined ? {} : { at: servedAsOf }),
      ...(stated === undefined ? {} : { status: stated }),
    },
    derived,
  };
}

function agrees(served: FeatureValue, answer: DerivedValues, at: number): boolean {
  const value = answer.values[served.name] ?? null;
  const status = answer.statuses[served.name];
  switch (served.source) {
    case "online":
      return status === "present" && Object.is(served.value, value) && served.at === answer.asOf;
    // A stand-in of the deployment: there was nothing to serve.
    case "default":
    case "missing":
      return value === null && agreesOnNothing(served.status, status);
    case "stale":
      return status === "outside_max_age" || mayBeStale(served, answer, at);
    default:
      return true;
  }
}

/** Whether there was nothing for the reason that the record states: a known null of an entity that is known, or an entity that is not. */
function agreesOnNothing(stated: FeatureValue["status"], status: ValueStatus | undefined): boolean {
  // Nothing is stated where a stand-in takes the place of a value that is there, such as NaN.
  return stated === undefined ? status !== "outside_max_age" : stated === status;
}

/**
 * Whether what is within the ttl may have been called too old: the same value, which has an age at all, by the charter's freshness; one of a moment that
 * online keeps nothing of; a window of more events than online keeps.
 */
function mayBeStale(
  served: FeatureValue,
  { status, asOf, exactFrom, mayBeCut }: DerivedValues,
  at: number,
): boolean {
  const hasAge = asOf !== undefined && asOf < at;
  return (
    (status === "found" && served.at === asOf && (hasAge || mayBeCut === true)) ||
    (exactFrom !== undefined && at < exactFrom)
  );
}
