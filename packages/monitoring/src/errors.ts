import type { ErrorSpec } from "@portolan/kernel";

export const monitoringErrors = {
  "monitoring.profile_unknown": { status: 422, title: "Counts of an unknown reference profile" },
  "monitoring.counts_malformed": { status: 422, title: "Counts do not fit their reference profile" },
  "monitoring.writer_taken": { status: 409, title: "Writer belongs to another gateway" },
  "monitoring.nothing_counted": { status: 404, title: "Nothing is counted at this endpoint" },
  "monitoring.nothing_answered": { status: 404, title: "Nothing was answered at this endpoint" },
  "monitoring.alert_undeliverable": { status: 502, title: "Alert was not taken" },
  "monitoring.not_profilable": { status: 422, title: "No reference profile can be made" },
} as const satisfies Record<string, ErrorSpec>;

export type MonitoringErrorCode = keyof typeof monitoringErrors;
