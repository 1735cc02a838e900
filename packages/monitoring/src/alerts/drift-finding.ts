import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { SeriesFigures } from "../drift-figures.ts";
import { alertKey, type Finding } from "./finding.ts";

/** What the latest verdict on a variant's predictions says; drift of inputs alone raises no alert: it is a reason to look. Pure. */
export function driftFinding({ series, verdicts, columns, judgedUntil }: SeriesFigures): Finding {
  const { environment, useCaseId, endpoint, variant, model } = series;
  const version = String(series.version);
  const of = { kind: "drift", environment, useCaseId, endpoint, variant, model, version } as const;
  const drifting = columns.outputs.filter((verdict) => verdict === "drift").length;
  const conditions = {
    drift: "firing",
    no_drift: "recovered",
    insufficient: "unclear",
    not_counted: "unclear",
  } as const;
  return {
    ...of,
    key: alertKey(of, "outputs"),
    condition: conditions[verdicts.outputs],
    summary: `${environment}/${endpoint} (${model}/${version}): ${drifting} of ${columns.outputs.length} predictions drift from what the model said of its reference`,
    evidence: {
      drifting,
      of: columns.outputs.length,
      ...(judgedUntil === undefined ? {} : { judgedUntil: formatInstant(asEpochMicros(judgedUntil)) }),
    },
  };
}
