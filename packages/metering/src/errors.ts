import type { ErrorSpec } from "@portolan/kernel";

export const meteringErrors = {
  "metering.file_not_valid": { status: 422, title: "Usage or bill is not valid" },
  "metering.not_allocatable": { status: 422, title: "Bill cannot be split by this usage" },
  "metering.rules_not_valid": { status: 422, title: "Rules for bills are not valid" },
  "metering.statement_not_comparable": { status: 422, title: "Statement has nothing to be compared with" },
} as const satisfies Record<string, ErrorSpec>;

export type MeteringErrorCode = keyof typeof meteringErrors;
