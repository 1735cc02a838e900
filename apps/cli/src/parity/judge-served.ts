import type { FeatureValue } from "@portolan/predictions/contract";
import type { ServedValues } from "./served-values.ts";

/** What the offline path says of one entity of a view at a moment. */
export interface DerivedValues {
  readonly status: "found" | "not_found" | "outside_max_age";
  readonly asOf?: number;
  readonly exactFrom?: number;
  readonly values: Readonly<Record<string, number | null>>;
}

export interface Mismatch {
  readonly prediction: string;
  readonly row: number;
  readonly key: readonly string[];
  readonly at: number;
  readonly served: Pick<FeatureValue, "value" | "source" | "at" | "status">;
  /** What could have been served: one answer, or more where values were going online at that very moment. */
  readonly derived: readonly {
    readonly status: string;
    readonly value: number | null;
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
  const derived = answers.map(({ status, values, asOf }) => ({
    status,
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
  const value = answer.status === "found" ? (answer.values[served.name] ?? null) : null;
  switch (served.source) {
    case "online":
      return value !== null && Object.is(served.value, value) && served.at === answer.asOf;
    // A stand-in of the deployment: there was nothing to serve.
    case "default":
    case "missing":
      return value === null && agreesOnNothing(served.status, answer);
    // Beyond the ttl; or within it and older than the charter allows, which its as-of shows to be the same value; or of a moment that
    // online keeps nothing of.
    case "stale":
      return (
        answer.status === "outside_max_age" ||
        (answer.status === "found" && served.at === answer.asOf) ||
        (answer.exactFrom !== undefined && at < answer.exactFrom)
      );
    default:
      return true;
  }
}

/** Whether there was nothing for the reason that the record states: a known null of an entity that is known, or an entity that is not. */
function agreesOnNothing(status: FeatureValue["status"], answer: DerivedValues): boolean {
  if (status === "null") return answer.status === "found";
  if (status === "not_found") return answer.status === "not_found";
  // Nothing is stated where a stand-in takes the place of a value that is there, such as NaN.
  return answer.status !== "outside_max_age";
}
