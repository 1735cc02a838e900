/** What others may see of quotas and of the queue. */
import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
const FileText = Type.String({ maxLength: 512 * 1024 });
const FileName = Type.String({ minLength: 1, maxLength: 200, description: "Said in findings" });

/** `PUT /v1/quotas` and `POST /v1/quotas/check` */
export const QuotaApplication = Type.Object(
  {
    file: FileName,
    quotas: Type.String({ maxLength: 512 * 1024, description: "quotas.yaml (docs/quotas.md)" }),
    cluster: Type.Optional(
      Type.Object(
        { file: FileName, text: FileText },
        { ...closed, description: "cluster.yaml; absent: as it was said last" },
      ),
    ),
  },
  closed,
);
export type QuotaApplication = Static<typeof QuotaApplication>;

/** What one team, unit or cohort had and has of one resource, as people write it. */
export const QuotaChange = Type.Object({
  member: Type.String(),
  resource: Type.String(),
  before: Type.Optional(Type.String({ description: "Absent: it had no quota of it" })),
  after: Type.Optional(Type.String({ description: "Absent: it has none any more" })),
});
export type QuotaChange = Static<typeof QuotaChange>;

export const QuotaVerdict = Type.Object({
  teams: Type.Integer(),
  resources: Type.Array(Type.String()),
  sums: Type.Array(
    Type.Object({ resource: Type.String(), guaranteed: Type.String(), cluster: Type.String() }),
    { description: "Empty where nobody said what the cluster has" },
  ),
  changes: Type.Array(QuotaChange, { description: "Of amounts, against the quotas in force" }),
});
export type QuotaVerdict = Static<typeof QuotaVerdict>;

export const QuotaView = Type.Object({
  version: Type.Integer({ description: "0: there never were any" }),
  quotas: Type.Optional(Type.String({ description: "quotas.yaml as it is in force; absent: none are" })),
  cluster: Type.Optional(Type.String()),
  digest: Type.Optional(Type.String()),
  appliedBy: Type.Optional(Type.String({ description: "Id of the person or service account" })),
  appliedAt: Type.Optional(Micros),
});
export type QuotaView = Static<typeof QuotaView>;

export const AppliedQuotas = Type.Object({ ...QuotaVerdict.properties, version: Type.Integer() });
export type AppliedQuotas = Static<typeof AppliedQuotas>;
