import { PortolanError } from "@portolan/kernel";
import type { LabelValue } from "./contract.ts";
import type { OversightErrorCode } from "./errors.ts";

/** Whether two labels say the same; a class is the same as text and as a number. */
export function sameLabel(a: LabelValue, b: LabelValue): boolean {
  return typeof a === "boolean" || typeof b === "boolean" ? a === b : String(a) === String(b);
}

/** Whether labels of a task are alike or not; quantities are only near. */
export function isCategorical(task: string): boolean {
  return task === "binary_classification" || task === "multiclass_classification";
}

const wanted: Readonly<Record<string, readonly string[]>> = {
  binary_classification: ["boolean"],
  multiclass_classification: ["string", "number"],
  regression: ["number"],
};
const words: Readonly<Record<string, string>> = {
  binary_classification: "true or false",
  multiclass_classification: "the name or number of a class",
  regression: "a number",
};

/** @throws PortolanError `oversight.bad_value` for a label that no answer of the task could be */
export function requireFitting(task: string, value: LabelValue): void {
  const types = wanted[task];
  if (!types || types.includes(typeof value)) return;
  throw new PortolanError<OversightErrorCode>("oversight.bad_value", {
    detail: `${JSON.stringify(value)} is no label of ${task}`,
    mend: `Decide with ${words[task] ?? "a label"}.`,
  });
}
