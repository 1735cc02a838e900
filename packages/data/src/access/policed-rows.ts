import type { Digest, EnvironmentPlace, Sql } from "@portolan/kernel";
import type { ContractColumn } from "../contracts/contract-model.ts";

/** A column of a contract. */
export interface ContractField {
  readonly contract: string;
  readonly column: string;
}

/** A column of rows that are made of datasets. */
export interface SourcedColumn {
  readonly name: string;
  readonly type: string;
  /** Columns whose values enter it, or decide which value does: it is as sensitive as they are. */
  readonly from: readonly ContractField[];
  /** Contracts whose rows decide what it says, such as those that are counted: they have to be readable. */
  readonly contracts: readonly string[];
}

/** A version of a contract, for the tags of its columns. */
export interface ContractVersion {
  readonly digest: string;
  readonly columns: readonly ContractColumn[];
}

/** Rows that policies on data speak of: of a contract, or made of rows of contracts. */
export interface PolicedRows {
  /** What they are known by: `ds_…`, `ing_…`, `ts_…`, `sco_…`, or a feature log's. */
  readonly id: string;
  readonly object: Digest;
  readonly at: EnvironmentPlace;
  /** The contract whose rows they are, or were made of one by one, comes first. */
  readonly contracts: readonly string[];
  /** Present in rows of the first contract as they came, on which its row filters can be applied; the version that they came under, where they have one. */
  readonly own?: { readonly contractDigest?: string };
  /** Absent where they have all columns of their contract. */
  readonly columns?: readonly SourcedColumn[];
  /** What any further column of the file is like, where only the file names them. */
  readonly others?: Omit<SourcedColumn, "name">;
}

/** The same, of which the policies need not know the bytes. */
export type NamedRows = Omit<PolicedRows, "object">;

/** Rows that were made of datasets, with what each column is made of. Implemented by `features` and `scoring`. */
export interface DerivedRows {
  find(sql: Sql, organisationId: string, id: string): Promise<PolicedRows | undefined>;
  /** All that these bytes are, in whatever environment of the organisation. */
  named(sql: Sql, organisationId: string, object: Digest): Promise<readonly PolicedRows[]>;
}

/** The same with the columns that a file has beside those that are known by name. Pure. */
export function withOthers(rows: PolicedRows, names: readonly string[]): PolicedRows {
  const { others, columns = [], ...rest } = rows;
  if (!others) return rows;
  const known = new Set(columns.map(({ name }) => name));
  const further = names.filter((name) => !known.has(name)).map((name) => ({ name, ...others }));
  return { ...rest, columns: [...columns, ...further] };
}
