import type { ErrorSpec } from "@portolan/kernel";

export const adoptionErrors = {
  "adoption.file_unusable": { status: 400, title: "Proof of concept cannot be read" },
  "adoption.not_isolated": { status: 503, title: "Pickle cannot be opened safely" },
  "adoption.reading_failed": { status: 422, title: "Proof of concept could not be examined" },
} as const satisfies Record<string, ErrorSpec>;
export type AdoptionErrorCode = keyof typeof adoptionErrors;
