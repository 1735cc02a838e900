import type { Digest, Sql } from "@portolan/kernel";
import type { ContractColumn } from "../contracts/contract-model.ts";
import {
  datasetsWithin,
  ingestionsWithin,
  newestColumns,
  type PlacedIngestion,
  renameBytes,
} from "./place-store.ts";
import type { ErasureScope, RowMatch, RowObject, RowPlace } from "./places.ts";
import { isTooShort } from "./word-pattern.ts";

/** Columns that name a data subject, as the contract says, and those that the order names. */
export function subjectColumns(
  columns: readonly Pick<ContractColumn, "name" | "subject">[],
  named: readonly string[],
): string[] {
  return columns.filter(({ name, subject }) => subject || named.includes(name)).map(({ name }) => name);
}

/** Names of all columns that name a data subject, in any contract of an organisation, as contract and source call them, and of those that the order names. */
export async function subjectColumnNames(
  sql: Sql,
  organisationId: string,
  named: readonly string[],
): Promise<string[]> {
  const marked = [...(await newestColumns(sql, organisationId)).values()].flatMap((columns) =>
    columns.filter(({ subject }) => subject).flatMap(({ name, source }) => [name, source]),
  );
  return [...new Set([...marked, ...named])].filter((name) => name !== "");
}

/** The same columns as sources call them; a column that the order names may be one that no contract reads. */
function sourceColumns(ingestion: PlacedIngestion, named: readonly string[]): string[] {
  const known = ingestion.sourceColumns.filter(
    ({ name, source, subject }) => subject || named.includes(name) || named.includes(source),
  );
  return [...new Set([...known.map(({ source }) => source), ...named])];
}

/** Published datasets. */
export const datasetPlace: RowPlace = {
  name: "dataset snapshots",
  list: async (sql, scope) =>
    (await datasetsWithin(sql, scope)).map((dataset) => {
      const has = new Set(dataset.columns.map(({ name }) => name));
      const columns = subjectColumns(dataset.contractColumns, scope.columns).filter((name) => has.has(name));
      return {
        digest: dataset.object as Digest,
        owner: dataset.id,
        what: `dataset of ${dataset.contract}`,
        ...placed(dataset),
        match: { kind: "columns", columns },
      };
    }),
  succeed: async (tx, scope, { before, after }) => {
    if (after) await renameBytes(tx.sql, scope, before, after);
  },
};

/** Rows that were kept out, those of refused batches among them. What they were is text: a row of the source. */
export const quarantinePlace: RowPlace = {
  name: "quarantine",
  list: (sql, scope) =>
    ofIngestions(sql, scope, (ingestion) => {
      const columns = subjectColumns(ingestion.contractColumns, scope.columns);
      return [
        object(ingestion, ingestion.quarantine, "quarantine", {
          kind: "members",
          column: "raw",
          members: columns,
          numbers: ingestion.contractColumns.filter(({ type }) => type === "number").map(({ name }) => name),
        }),
        object(ingestion, ingestion.withheld, "rows of a refused batch", { kind: "columns", columns }),
      ];
    }),
  succeed: () => Promise.resolve(),
};

/** Lines that were no rows: nothing tells their columns apart, and a name that stands in texts by chance tells nothing. */
export const deadLetterPlace: RowPlace = {
  name: "dead letters",
  list: async (sql, scope) => {
    if (isTooShort(scope.subject)) return [];
    return ofIngestions(sql, scope, (ingestion) => [
      object(ingestion, ingestion.dead_letters, "dead letters", {
        kind: "words",
        columns: ["content", "error"],
      }),
    ]);
  },
  succeed: () => Promise.resolve(),
};

/** Files that somebody uploaded, tables that were read and events as they came: what ingestions were made of. */
export const sourcePlace: RowPlace = {
  name: "stored sources",
  list: (sql, scope) =>
    ofIngestions(sql, scope, (ingestion) =>
      ingestion.sources
        .filter(({ format }) => format !== "accepted" && format !== "quarantine")
        .map(({ object: digest, format = "jsonl", csv }) => {
          const source = object(ingestion, digest ?? null, "source");
          const columns = sourceColumns(ingestion, scope.columns);
          const numbers = ingestion.sourceColumns.filter(({ type }) => type === "number");
          return (
            source && {
              ...source,
              source: {
                format,
                columns,
                numbers: numbers.map(({ source: name }) => name),
                ...(csv ? { csv } : {}),
              },
            }
          );
        }),
    ),
  succeed: () => Promise.resolve(),
};

export const dataPlaces: readonly RowPlace[] = [datasetPlace, quarantinePlace, deadLetterPlace, sourcePlace];

async function ofIngestions(
  sql: Parameters<RowPlace["list"]>[0],
  scope: ErasureScope,
  objectsOf: (ingestion: PlacedIngestion) => readonly (RowObject | undefined)[],
): Promise<RowObject[]> {
  const found = (await ingestionsWithin(sql, scope)).flatMap(objectsOf);
  return found.filter((one) => one !== undefined);
}

function object(
  ingestion: PlacedIngestion,
  digest: string | null,
  what: string,
  match?: RowMatch,
): RowObject | undefined {
  if (digest === null) return undefined;
  return {
    digest: digest as Digest,
    owner: ingestion.id,
    what: `${what} of ${ingestion.contract}`,
    ...placed(ingestion),
    ...(match ? { match } : { isWhole: true }),
  };
}

function placed(row: {
  readonly environment: RowObject["environment"];
  readonly use_case_id: string | null;
  readonly contract: string;
}): Pick<RowObject, "environment" | "useCaseId" | "contract"> {
  return {
    environment: row.environment,
    contract: row.contract,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
  };
}
