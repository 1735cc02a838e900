import type { ErrorSpec } from "@portolan/kernel";

export const scoringErrors = {
  "scoring.not_found": { status: 404, title: "No such scoring" },
  "scoring.target_unknown": { status: 404, title: "Nothing to score with" },
  "scoring.dataset_unknown": { status: 404, title: "No such snapshot" },
  "scoring.columns_do_not_fit": { status: 422, title: "Columns do not fit the model" },
  "scoring.purpose_required": { status: 403, title: "A purpose must be declared" },
  "scoring.chunk_failed": { status: 422, title: "Rows cannot be scored" },
  "scoring.time_limit_passed": { status: 422, title: "The scoring's time limit has passed" },
  "scoring.upstream_away": { status: 503, title: "The server that scores does not answer" },
} as const satisfies Record<string, ErrorSpec>;

export type ScoringErrorCode = keyof typeof scoringErrors;
