import type { Sql } from "@portolan/kernel";

/** A version in whose place the fallback chain answers, and nobody has ended that yet. */
export interface DisplacementRow {
  readonly id: string;
  readonly endpoint_id: string;
  readonly model: string;
  readonly version: number;
  readonly alert_id: string;
  readonly reason: string;
  readonly began_at: number;
  readonly began_by: string;
}

export type DisplacementsTable = DisplacementRow & {
  readonly organisation_id: string;
  readonly ended_at: number | null;
  readonly ended_by: string | null;
  readonly ended_because: string | null;
};

function tables(session: Sql) {
  return session.withTables<{ "serving.displacements": DisplacementsTable }>();
}

/** False when the version is displaced there already. */
export async function saveDisplacement(
  session: Sql,
  row: DisplacementRow & { readonly organisation_id: string },
): Promise<boolean> {
  const saved = await tables(session)
    .insertInto("serving.displacements")
    .values({ ...row, ended_at: null, ended_by: null, ended_because: null })
    .onConflict((conflict) =>
      conflict.columns(["endpoint_id", "model", "version"]).where("ended_at", "is", null).doNothing(),
    )
    .returning("id")
    .execute();
  return saved.length > 0;
}

/** Ends what is in force at an endpoint: for one alert, or of one model version. Gives what it ended. */
export async function endDisplacements(
  session: Sql,
  endpointId: string,
  of: { readonly alertId: string } | { readonly name: string; readonly version: number },
  end: { readonly at: number; readonly by: string; readonly because: string },
): Promise<readonly DisplacementRow[]> {
  return tables(session)
    .updateTable("serving.displacements")
    .set({ ended_at: end.at, ended_by: end.by, ended_because: end.because })
    .where("endpoint_id", "=", endpointId)
    .where("ended_at", "is", null)
    .where((row) =>
      "alertId" in of
        ? row("alert_id", "=", of.alertId)
        : row.and([row("model", "=", of.name), row("version", "=", of.version)]),
    )
    .returning(["id", "endpoint_id", "model", "version", "alert_id", "reason", "began_at", "began_by"])
    .execute();
}
