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
  sql.withTables<{
    "registry.attestations": AttestationTable;
    "registry.promotions": PromotionTable;
    "registry.versions": { id: string; organisation_id: string; model: string; version: number };
  }>();

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

/** A release rests on few statements; whatever reads them must be bounded. */
const mostStatements = 120;

/**
 * The attestations that show why versions may be in an environment: the newest promotion to it that is attested, and the training and the evaluations that
 * were signed by then. By `model/version`; nothing of versions without such a promotion.
 */
export async function findReleaseAttestations(
  sql: Sql,
  organisationId: string,
  environment: Environment,
  versions: readonly { readonly name: string; readonly version: number }[],
): Promise<Map<string, AttestationView[]>> {
  const ids = await idsOf(sql, organisationId, versions);
  if (ids.size === 0) return new Map();
  const [promotions, attestations] = [
    await tables(sql)
      .selectFrom("registry.promotions")
      .select(["version_id", "environment"])
      .where("version_id", "in", [...ids.keys()])
      .orderBy("id")
      .execute(),
    await chainStatements(sql, [...ids.keys()]),
  ];
  const found = new Map<string, AttestationView[]>();
  for (const [id, name] of ids) {
    const stated = attestations.filter((one) => one.version_id === id).map(toView);
    const named = promotions
      .filter((one) => one.version_id === id)
      .flatMap((one, index) => (one.environment === environment ? [`promotion/${index + 1}`] : []));
    const promotion = stated.findLast(({ about }) => named.includes(about));
    if (!promotion) continue;
    const inputs = stated.filter(({ about, signedAt }) => isInput(about) && signedAt <= promotion.signedAt);
    found.set(name, [...inputs.slice(-(mostStatements - 1)), promotion]);
  }
  return found;
}

/** Promotions and what they may rest on: decisions and deployments, of which there is one more each time, stand beside the chain and are not read. */
export function chainStatements(
  sql: Sql,
  versionIds: readonly string[],
): Promise<Selectable<AttestationTable>[]> {
  return tables(sql)
    .selectFrom("registry.attestations")
    .selectAll()
    .where("version_id", "in", versionIds)
    .where((where) =>
      where.or([
        where("about", "=", "training"),
        where("about", "like", "evaluation/%"),
        where("about", "like", "promotion/%"),
      ]),
    )
    .orderBy("signed_at")
    .orderBy("about")
    .execute();
}

/** What a promotion may rest on. */
function isInput(about: string): boolean {
  return about === "training" || about.startsWith("evaluation/");
}

/** `model/version` by the version's id. */
async function idsOf(
  sql: Sql,
  organisationId: string,
  versions: readonly { readonly name: string; readonly version: number }[],
): Promise<Map<string, string>> {
  if (versions.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("registry.versions")
    .select(["id", "model", "version"])
    .where("organisation_id", "=", organisationId)
    .where("model", "in", [...new Set(versions.map(({ name }) => name))])
    .where("version", "in", [...new Set(versions.map(({ version }) => version))])
    .execute();
  const asked = new Set(versions.map(({ name, version }) => `${name}/${version}`));
  return new Map(
    rows
      .map(({ id, model, version }) => [id, `${model}/${version}`] as const)
      .filter(([, name]) => asked.has(name)),
  );
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
