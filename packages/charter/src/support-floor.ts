import { Type } from "@portolan/typebox";
import { closed } from "./schema-parts.ts";

/** What a part needs where the charter is silent. */
export const defaultSupport = { positives: 30, negatives: 30 } as const;
export const Support = Type.Optional(
  Type.Object(
    {
      positives: Type.Optional(
        Type.Integer({ minimum: 2, maximum: 1_000_000, description: "Rows that are positive. Absent: 30." }),
      ),
      negatives: Type.Optional(
        Type.Integer({ minimum: 2, maximum: 1_000_000, description: "Rows that are negative. Absent: 30." }),
      ),
      rows: Type.Optional(
        Type.Integer({
          minimum: 2,
          maximum: 1_000_000,
          description: "Rows of a regression or of several classes, or queries of a ranking. Absent: 30.",
        }),
      ),
    },
    { ...closed, description: "Fewer rows are too few to be judged." },
  ),
);

/** Rows that a part must have to be judged. */
export interface SupportFloor {
  readonly positives: number;
  readonly negatives: number;
  /** Of what has not two classes: rows, or queries of rankings; absent: 30. */
  readonly rows?: number;
}
