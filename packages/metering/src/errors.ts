import type { ErrorSpec } from "@portolan/kernel";

export const meteringErrors = {
  "metering.file_not_valid": { status: 422, title: "Usage or bill is not valid" },
  "metering.not_allocatable": { status: 422, title: "Bill cannot be split by this usage" },
  "metering.rules_not_valid": { status: 422, title: "Rules for bills are not valid" },
  "metering.bad_period": { status: 400, title: "Month is not valid" },
  "metering.usage_not_valid": { status: 422, title: "Usage records are not valid" },
  "metering.usage_differs": { status: 409, title: "Usage was recorded otherwise before" },
  "metering.usage_overlaps": { status: 409, title: "Usage is counted already" },
  "metering.collection_failed": { status: 502, title: "Usage could not be collected" },
  "metering.budget_exhausted": { status: 409, title: "Budget of the use case is spent" },
  "metering.statement_not_comparable": { status: 422, title: "Statement has nothing to be compared with" },
} as const satisfies Record<string, ErrorSpec>;

export type MeteringErrorCode = keyof typeof meteringErrors;
