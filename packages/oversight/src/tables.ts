import type { Environment, Sql } from "@portolan/kernel";
import type { LabelValue, OverrideReason, ReviewReason, reviewStates } from "./contract.ts";

export type ReviewTable = {
  readonly id: string;
  readonly organisation_id: string;
  readonly prediction_id: string;
  readonly use_case_id: string;
  readonly endpoint: string;
  readonly environment: Environment;
  readonly model_name: string;
  readonly model_version: string;
  readonly task: string;
  readonly list_rows: number | null;
  readonly classes: readonly string[] | null;
  readonly reasons: readonly ReviewReason[];
  readonly priority: number;
  readonly received_at: number;
  readonly queued_at: number;
  readonly due_at: number;
  readonly answer: LabelValue | null;
  readonly people: number;
  readonly state: (typeof reviewStates)[number];
  readonly label: LabelValue | null;
  readonly closed_at: number | null;
};

export type ClaimTable = {
  readonly review_id: string;
  readonly reviewer: string;
  readonly claimed_at: number;
  readonly lease_until: number;
  readonly first_value: LabelValue | null;
  readonly first_at: number | null;
  readonly value: LabelValue | null;
  readonly reason: OverrideReason | null;
  readonly comment: string | null;
  readonly concluded_at: number | null;
};

export type SeenTable = {
  readonly organisation_id: string;
  readonly writer_id: string;
  readonly epoch: number;
  readonly block: number;
};

export type FeedbackTable = {
  readonly id: string;
  readonly organisation_id: string;
  readonly prediction_id: string;
  readonly use_case_id: string;
  readonly endpoint: string;
  readonly environment: Environment;
  readonly model_name: string;
  readonly model_version: string;
  readonly kind: "rating" | "correction" | "override";
  readonly rating: number | null;
  readonly value: LabelValue | null;
  readonly comment: string | null;
  readonly given_by: string;
  readonly on_behalf_of: string | null;
  readonly given_at: number;
  readonly is_label: boolean;
  readonly digest: string;
};

/** The tables of this package; stores alone name them. */
export function tables(sql: Sql) {
  return sql.withTables<{
    "oversight.reviews": ReviewTable;
    "oversight.claims": ClaimTable;
    "oversight.seen_blocks": SeenTable;
    "oversight.feedback": FeedbackTable;
  }>();
}
