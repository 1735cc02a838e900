import type { Environment, Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { GateResult } from "../model-version.ts";
import type { AttestationView, PromotionFacts } from "./record.ts";

type AttestationTable = {
  version_id: string;
  about: string;
  predicate_type: string;
  digest: string;
  size_bytes: number;
  signing_key_id: string;
  signed_at: number;
};

type PromotionTable = {
  id: number;
  version_id: string;
  environment: Environment;
  promoted_by: string;
  promoted_at: number;
  gates: JSONColumnType<GateResult[]> | null;
  charter_id: string | null;
};

const tables = (sql: Sql) =>
  sql.withTables<{ "registry.attestations": AttestationTable; "registry.promotions": PromotionTable }>();

/** Adds a statement, unless the same thing is attested already; resolves to whether it was added. */
export async function insertAttestation(
  sql: Sql,
  versionId: string,
  view: AttestationView,
): Promise<boolean> {
  const added = await tables(sql)
    .insertInto("registry.attestations")
    .values({
      version_id: versionId,
      about: view.about,
      predicate_type: view.predicateType,
      digest: view.digest,
      size_bytes: view.sizeBytes,
      signing_key_id: view.signingKeyId,
      signed_at: view.signedAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return added.numInsertedOrUpdatedRows === 1n;
}

/** In the order in which they were signed. */
export async function listAttestations(sql: Sql, versionId: string): Promise<AttestationView[]> {
  const rows = await tables(sql)
    .selectFrom("registry.attestations")
    .selectAll()
    .where("version_id", "=", versionId)
    .orderBy("signed_at")
    .orderBy("about")
    .execute();
  return rows.map(toView);
}

function toView(row: Selectable<AttestationTable>): AttestationView {
  return {
    about: row.about,
    predicateType: row.predicate_type,
    digest: row.digest,
    sizeBytes: row.size_bytes,
    signingKeyId: row.signing_key_id,
    signedAt: row.signed_at,
  };
}

/** Of exactly this version, in order. */
export async function listPromotions(sql: Sql, versionId: string): Promise<PromotionFacts[]> {
  const rows = await tables(sql)
    .selectFrom("registry.promotions")
    .select(["id", "environment", "promoted_by", "promoted_at", "gates", "charter_id"])
    .where("version_id", "=", versionId)
    .orderBy("id")
    .execute();
  return rows.map((row, index) => ({
    number: index + 1,
    to: row.environment,
    promotedBy: row.promoted_by,
    promotedAt: row.promoted_at,
    ...(row.gates === null ? {} : { gates: row.gates }),
    ...(row.charter_id === null ? {} : { charterId: row.charter_id }),
  }));
}
