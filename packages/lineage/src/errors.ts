import type { ErrorSpec } from "@portolan/kernel";

export const lineageErrors = {
  "lineage.invalid_event": { status: 400, title: "Lineage event is not valid" },
  "lineage.reserved_name": { status: 400, title: "Name belongs to Portolan" },
  "lineage.environment_missing": { status: 400, title: "Environment is not named" },
  "lineage.node_not_found": { status: 404, title: "Nothing of that name in the lineage" },
  "lineage.run_ended": { status: 409, title: "Run has ended another way" },
} as const satisfies Record<string, ErrorSpec>;
export type LineageErrorCode = keyof typeof lineageErrors;
