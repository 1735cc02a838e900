import type { ErrorSpec } from "@portolan/kernel";

export const predictionsErrors = {
  "predictions.log_full": { status: 507, title: "Prediction log is full" },
  "predictions.log_overloaded": { status: 503, title: "Prediction log cannot keep up" },
  "predictions.log_failed": { status: 500, title: "Prediction log stopped" },
  "predictions.log_locked": { status: 409, title: "Another writer holds the log folder" },
  "predictions.record_too_large": { status: 413, title: "Prediction is too large to be logged" },
  "predictions.corrupt": { status: 422, title: "Prediction log bytes are damaged" },
  "predictions.block_forked": { status: 409, title: "Block differs from the one already accepted" },
  "predictions.writer_taken": { status: 409, title: "Writer belongs to another principal" },
  "predictions.under_hold": { status: 409, title: "A legal hold covers it" },
  "predictions.bad_cursor": { status: 400, title: "Page cursor is not understood" },
} as const satisfies Record<string, ErrorSpec>;
