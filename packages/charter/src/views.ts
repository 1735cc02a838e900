import { type Static, Type } from "@portolan/typebox";
import { CharterDocument, signingRoles } from "./document.ts";

export const charterStatuses = ["draft", "partially_signed", "in_force", "superseded", "withdrawn"] as const;
export type CharterStatus = (typeof charterStatuses)[number];

const Micros = Type.Integer({ description: "Epoch microseconds (UTC)" });
const Role = Type.Enum([...signingRoles]);

export const SignatureView = Type.Object({
  id: Type.String(),
  role: Role,
  signer: Type.String({ description: "usr_… of the person" }),
  keyId: Type.String(),
  publicKeyPem: Type.String(),
  signature: Type.String({ description: "Ed25519, base64" }),
  signedAt: Micros,
});
export type SignatureView = Static<typeof SignatureView>;

export const CharterSummary = Type.Object({
  id: Type.String(),
  organisationId: Type.String(),
  useCaseId: Type.String(),
  useCase: Type.String(),
  businessUnitId: Type.String(),
  teamId: Type.String(),
  version: Type.Integer(),
  digest: Type.String(),
  status: Type.Enum([...charterStatuses]),
  createdAt: Micros,
  createdBy: Type.String(),
  inForceSince: Type.Optional(Micros),
  endedAt: Type.Optional(Micros),
});
export type CharterSummary = Static<typeof CharterSummary>;

export const CharterView = Type.Object({
  ...CharterSummary.properties,
  charter: CharterDocument,
  signatures: Type.Array(SignatureView),
  missingRoles: Type.Array(Role, { description: "Roles that have not signed yet" }),
});
export type CharterView = Static<typeof CharterView>;

const Provenance = Type.Object({ pointer: Type.String(), line: Type.Optional(Type.Integer()) });

export const ExplainedItem = Type.Object({
  control: Type.String(),
  group: Type.String(),
  statement: Type.String(),
  value: Type.Unknown(),
  from: Type.Array(Provenance),
  enforcement: Type.Object({
    kind: Type.Enum(["enforced", "not_enforced"]),
    by: Type.Optional(Type.String()),
    how: Type.Optional(Type.String()),
    why: Type.Optional(Type.String()),
  }),
  demandedBy: Type.Array(Provenance),
});

export const ExplainedEstimate = Type.Object({
  statement: Type.String(),
  from: Type.Array(Provenance),
});

export const SignatureDemand = Type.Object({
  role: Role,
  because: Type.Array(Type.Object({ pointer: Type.String(), reason: Type.String() })),
});

export const ProductionBlockerView = Type.Object({
  control: Type.String(),
  reason: Type.String(),
  demandedBy: Type.Array(Provenance),
});

export const CharterChangeView = Type.Object({
  pointer: Type.String(),
  before: Type.Optional(Type.Unknown()),
  after: Type.Optional(Type.Unknown()),
});

/** What may be read of a charter as it governs now; by column, the view `charter.in_force_v1`. */
export interface InForceCharter {
  readonly organisationId: string;
  readonly useCaseId: string;
  readonly useCase: string;
  readonly charterId: string;
  readonly version: number;
  readonly digest: string;
  readonly charter: CharterDocument;
  readonly inForceSince: number;
}

/** Name and columns of the SQL view for other domains. */
export const inForceView = "charter.in_force_v1";
export interface InForceViewRow {
  readonly organisation_id: string;
  readonly use_case_id: string;
  readonly use_case_name: string;
  readonly charter_id: string;
  readonly version: number;
  readonly digest: string;
  readonly body: CharterDocument;
  readonly in_force_since: number;
}

/** A charter with its signatures, to be verified by an outsider with nothing but this file. */
export const CharterBundle = Type.Object({
  format: Type.Literal("portolan-charter-bundle/v1"),
  organisationId: Type.String(),
  charterId: Type.String(),
  useCaseId: Type.String(),
  version: Type.Integer(),
  digest: Type.String(),
  charter: CharterDocument,
  signatures: Type.Array(SignatureView),
});
export type CharterBundle = Static<typeof CharterBundle>;
