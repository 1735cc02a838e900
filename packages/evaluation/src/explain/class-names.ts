import { memberOf, parsedJson } from "@portolan/kernel";
import type { Explanation } from "./contract.ts";

/**
 * What a charter calls the classes of an explanation, where the model says their places. A name goes first: classes may be called by numbers that are not their places.
 * Pure.
 * @param names in the order of the model's scores
 */
export function classNamesOf(
  names: readonly string[],
  { decided, target }: Pick<Explanation, "decided" | "target">,
): Pick<Explanation, "names"> {
  const nameOf = (label: string | undefined): string | undefined =>
    label === undefined || names.includes(label) || !/^\d{1,3}$/.test(label)
      ? undefined
      : names[Number(label)];
  const [ofDecided, ofTarget] = [nameOf(decided), nameOf(target)];
  if (ofDecided === undefined && ofTarget === undefined) return {};
  return {
    names: {
      ...(ofDecided === undefined ? {} : { decided: ofDecided }),
      ...(ofTarget === undefined ? {} : { target: ofTarget }),
    },
  };
}

/** Rows of a recorded answer, in JSON of the Open Inference Protocol or of its V1; undefined where it does not say. Pure. */
export function answeredRows(answer: string): number | undefined {
  const body = parsedJson(answer);
  const predictions = memberOf(body, "predictions");
  if (Array.isArray(predictions)) return predictions.length;
  const outputs = memberOf(body, "outputs");
  const shape = Array.isArray(outputs) ? memberOf(outputs[0], "shape") : undefined;
  const rows: unknown = Array.isArray(shape) ? shape[0] : undefined;
  return typeof rows === "number" && Number.isInteger(rows) && rows > 0 ? rows : undefined;
}
