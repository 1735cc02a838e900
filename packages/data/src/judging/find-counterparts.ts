import { covers, type Digest, type EnvironmentPlace, type ObjectStore, type Sql } from "@portolan/kernel";
import type { ColumnType, DataContract, Relationship } from "../contracts/contract-model.ts";
import { findContract } from "../contracts/contract-store.ts";
import { newestCounterpart } from "../datasets/dataset-store.ts";
import type { CounterpartFiles } from "./counterparts.ts";

/** What a contract's relationships are looked up in, by the contract that they name; JSON, for it is a step's result. */
export type FoundCounterparts = Record<string, { readonly dataset: string; readonly object: string } | null>;

/**
 * The datasets that a batch's foreign keys are looked up in: of each contract that is named the newest of the use case, else the newest that is
 * nobody's in particular, published up to `moment`. Null where there is none with the columns that are named: then nothing is found there.
 */
export async function findCounterparts(
  sql: Sql,
  organisationId: string,
  place: EnvironmentPlace,
  { contract, moment }: { readonly contract: DataContract; readonly moment?: number | undefined },
): Promise<FoundCounterparts> {
  const found: FoundCounterparts = {};
  for (const { target } of contract.relationships ?? []) {
    const name = target.contract;
    if (Object.hasOwn(found, name)) continue;
    const other = await findContract(sql, organisationId, name);
    // Another team's contract is none for this work, whatever was published under it.
    const dataset =
      other && covers(other.owner, place)
        ? await newestCounterpart(sql, organisationId, { ...place, contract: name, moment })
        : undefined;
    const fits = dataset && fitting(contract, name, dataset.columns);
    found[name] = dataset && fits ? { dataset: dataset.id, object: dataset.object } : null;
  }
  return found;
}

/** Whether a dataset has all columns that are referred to, of the types of those that refer. */
function fitting(
  contract: DataContract,
  name: string,
  columns: readonly { readonly name: string; readonly type: string }[],
): boolean {
  return (contract.relationships ?? [])
    .filter(({ target }) => target.contract === name)
    .every((relationship) =>
      keyTypes(contract, relationship).every(
        (type, index) =>
          columns.find((column) => column.name === relationship.target.columns[index])?.type === type,
      ),
    );
}

/** Types of the columns that refer, in their order. */
export function keyTypes({ columns }: DataContract, relationship: Relationship): ColumnType[] {
  return relationship.columns.map((name) => columns.find((column) => column.name === name)?.type ?? "string");
}

/** Local files of the datasets that were found. */
export async function counterpartFiles(
  objects: Pick<ObjectStore, "localPath">,
  found: FoundCounterparts,
): Promise<CounterpartFiles> {
  const files: Record<string, string | null> = {};
  for (const [name, dataset] of Object.entries(found))
    files[name] = dataset && (await objects.localPath(dataset.object as Digest));
  return files;
}

/** What an owner has to know of relationships whose counterparts are not there. */
export function missingCounterparts(found: FoundCounterparts): string[] {
  return Object.entries(found).flatMap(([name, dataset]) =>
    dataset ? [] : [`${name} has published nothing here that can be referred to`],
  );
}
