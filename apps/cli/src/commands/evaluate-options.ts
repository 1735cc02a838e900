import type { ProbesAsked } from "@portolan/evaluation/contract";
import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

export interface EvaluateOptions {
  readonly trainingSet?: string;
  readonly evaluationSet?: string;
  readonly judge?: string;
  readonly slice?: readonly string[];
  readonly mutable?: readonly string[];
  readonly radius?: string;
  readonly membership?: true;
  readonly trainingData?: true;
}

/** `NAME/VERSION`. */
export function judgeOf(text: string): { readonly model: string; readonly version: number } {
  const [, model, version] = /^([^/]+)\/(\d+)$/.exec(text) ?? [];
  if (model === undefined || version === undefined)
    throw badUsage(
      `"${text.slice(0, 80)}" names no version`,
      "Write it as NAME/VERSION: --judge examiner/2.",
    );
  return { model, version: Number(version) };
}

/** What is asked of rows is not asked of text, and the other way round: nothing is left out without a word. */
export function requireFitting({ trainingSet, judge, ...options }: EvaluateOptions): void {
  if (trainingSet !== undefined && judge !== undefined)
    throw badUsage("rows have no answers to be judged", "Leave --judge out, or give --evaluation-set NAME.");
  const { slice, mutable, radius, membership, trainingData } = options;
  const ofRows = [slice, mutable, radius, membership, trainingData].some((option) => option !== undefined);
  if (trainingSet === undefined && ofRows)
    throw badUsage(
      "--slice, --mutable, --radius, --membership and --training-data are asked of rows",
      "Leave them out, or give --training-set ID.",
    );
}

const usualRadius = 0.25;

/** What to ask the model beside what the charter asks. */
export function probesOf({ mutable, radius, membership, trainingData }: EvaluateOptions): {
  probes?: ProbesAsked;
} {
  if (radius !== undefined && !(Number(radius) > 0))
    throw badUsage(`the radius is "${radius.slice(0, 40)}"`, "Give a number above 0: --radius 0.25.");
  if (radius !== undefined && !mutable)
    throw badUsage("a radius needs features that change", "Give --mutable FEATURE….");
  if (!mutable && !membership && !trainingData) return {};
  const robustness = mutable && { mutable: [...mutable], radius: Number(radius ?? usualRadius) };
  return {
    probes: {
      ...(robustness ? { robustness } : {}),
      ...(membership ? { membership } : {}),
      ...(trainingData ? { trainingData } : {}),
    },
  };
}

export function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail, mend });
}
