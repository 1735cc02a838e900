import type { Sql } from "@portolan/kernel";
import type { MadeThings } from "../ports.ts";
import type { Names } from "./names.ts";
import { runIdOf } from "./run-id.ts";
import type { OwnStatement, ToldRow } from "./statement.ts";

/** What telling of a ledger row stands on. */
export interface Telling {
  readonly row: ToldRow;
  readonly names: Names;
  /** A thing of the row's organisation; the rest of its arguments. */
  readonly things: OfOrganisation;
  /** The run id of an id of ours. */
  readonly runId: (id: string) => string;
}

/** `MadeThings` over one session and organisation. */
export type OfOrganisation = {
  readonly [Kind in keyof MadeThings]: MadeThings[Kind] extends (
    sql: Sql,
    organisationId: string,
    ...rest: infer Rest
  ) => infer Found
    ? (...rest: Rest) => Found
    : never;
};

/** Makes what is said of one kind of row; nothing where the thing is no more. */
export type Tell = (telling: Telling) => Promise<readonly OwnStatement[]>;

export function tellingOf(sql: Sql, things: MadeThings, names: Names, row: ToldRow): Telling {
  const { organisationId } = row;
  return {
    row,
    names,
    runId: (id) => runIdOf(organisationId, id),
    things: {
      contract: (...of) => things.contract(sql, organisationId, ...of),
      ingestion: (id) => things.ingestion(sql, organisationId, id),
      subscription: (id) => things.subscription(sql, organisationId, id),
      dataset: (id) => things.dataset(sql, organisationId, id),
      view: (...of) => things.view(sql, organisationId, ...of),
      trainingSet: (id) => things.trainingSet(sql, organisationId, id),
      materialization: (id) => things.materialization(sql, organisationId, id),
      trainingRun: (id) => things.trainingRun(sql, organisationId, id),
      modelVersion: (...of) => things.modelVersion(sql, organisationId, ...of),
      deployment: (id) => things.deployment(sql, organisationId, id),
      featureLog: (...of) => things.featureLog(sql, organisationId, ...of),
      release: (id) => things.release(sql, organisationId, id),
      scoring: (id) => things.scoring(sql, organisationId, id),
    },
  };
}

/** A text of the row's detail. */
export function textOf({ detail }: ToldRow, name: string): string {
  const value = detail[name];
  return typeof value === "string" ? value : "";
}

/** The end of a run by the last word of its event: `data.ingestion.cancelled` was aborted, any other failed. */
export function endOf({ event }: ToldRow): "ABORT" | "FAIL" {
  return event.endsWith(".cancelled") || event.endsWith(".superseded") ? "ABORT" : "FAIL";
}
