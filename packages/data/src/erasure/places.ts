import type { CallContext, Digest, Environment, Sql, Transaction } from "@portolan/kernel";
import type { SourceFile } from "../sources/source-plan.ts";

/** Whose data is looked for, and where. */
export interface ErasureScope {
  readonly organisationId: string;
  /** Nothing outside of these is read or touched. */
  readonly environments: readonly Environment[];
  /** As the sources write it: one whole value of the columns that name data subjects. */
  readonly subject: string;
  /** Names of columns that name the subject beside those that contracts say. */
  readonly columns: readonly string[];
}

/** Which rows of an object are the subject's. */
export type RowMatch =
  /** One of these columns has the value. */
  | { readonly kind: "columns"; readonly columns: readonly string[] }
  /** Text of a JSON object in this column: one of these members has the value. */
  | {
      readonly kind: "members";
      readonly column: string;
      readonly members: readonly string[];
      /** Those of them that a contract reads as numbers, however the text writes one. */
      readonly numbers?: readonly string[];
    }
  /** The value stands in one of these texts, as a word. */
  | { readonly kind: "words"; readonly columns: readonly string[] }
  /**
   * It was made of a row of another object which is the subject's. Its `_row` is that row's, or where the row stands in the file; or its `id`
   * is that of the event which the row states (docs/spec/features.md, F30).
   */
  | {
      readonly kind: "rows_of";
      readonly object: Digest;
      readonly match: RowMatch;
      readonly by: "_row" | "position" | { readonly columns: readonly string[]; readonly isKey: boolean };
    }
  | { readonly kind: "any"; readonly of: readonly RowMatch[] }
  /** Every row: nothing tells them apart. */
  | { readonly kind: "all" };

/** A file as somebody wrote it, of which columns tell whose it is. */
export interface SourceReading extends Pick<SourceFile, "format" | "csv"> {
  /** As the source calls those that name data subjects; it may lack some. */
  readonly columns: readonly string[];
  /** Those of them that the contract reads as numbers. */
  readonly numbers?: readonly string[];
}

/** A stored object that may hold rows of data subjects. */
export interface RowObject {
  readonly digest: Digest;
  /** Id of the thing whose bytes they are: a dataset, an ingestion, a log, a training set. */
  readonly owner: string;
  /** What it is, for people. */
  readonly what: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly contract?: string;
  /** Absent: it is a source, and the subject's where the name stands in it. */
  readonly match?: RowMatch;
  /** How a source is read. */
  readonly source?: SourceReading;
  /** It goes as a whole where any of it is the subject's: nothing here can write it anew, or it is made again from what is left. */
  readonly isWhole?: true;
}

/** An object's bytes are others now, or none. */
export interface Succession {
  readonly before: Digest;
  readonly after?: { readonly digest: Digest; readonly sizeBytes: number; readonly rowCount: number };
}

/** Objects of one kind. Each package that stores rows names its own. */
export interface RowPlace {
  /** As reports name it, e.g. `dataset snapshots`. */
  readonly name: string;
  list(sql: Sql, scope: ErasureScope): Promise<RowObject[]>;
  /**
   * Everything of this package that names the bytes, within the scope, names those that came after; nothing where none did. Asked of
   * every place for each object, in the transaction that moves the references. Repeatable.
   */
  succeed(
    tx: Transaction,
    scope: Pick<ErasureScope, "organisationId" | "environments">,
    change: Succession,
  ): Promise<void>;
}

/** Something of the subject in a place that is no object. */
export interface Finding {
  readonly owner: string;
  readonly what: string;
  readonly rows: number;
  readonly environment?: Environment;
  readonly useCaseId?: string;
  readonly contract?: string;
  /** Legal holds of the place's own that cover some of it. */
  readonly heldBy?: readonly string[];
}

/** A place that finds and erases by itself: a queue, a store of values, a log. Both calls may be repeated. */
export interface DirectPlace {
  readonly name: string;
  find(call: CallContext, scope: ErasureScope): Promise<Finding[]>;
  /** Resolves to how many records went. */
  erase(call: CallContext, scope: ErasureScope, reason: string): Promise<number>;
}

/** A model version that learned from rows of the subject. */
export interface TrainedModel {
  readonly model: string;
  readonly version: number;
  readonly trainingSetId: string;
  /** Environments in which it is the promoted version. */
  readonly stages: readonly Environment[];
}

/** Which versions were trained on which sets. Implemented by `registry`. */
export interface TrainedModels {
  trainedOn(sql: Sql, organisationId: string, trainingSetIds: readonly string[]): Promise<TrainedModel[]>;
}

/** What people call stored bytes, such as a file of a run. Implemented by who stores them under names. */
export interface ObjectNames {
  /** Names of those of the bytes that have some, within the organisation. */
  named(
    sql: Sql,
    organisationId: string,
    digests: readonly Digest[],
  ): Promise<readonly { readonly digest: string; readonly name: string }[]>;
}

/** Looks for a text in whatever is kept, however it came there. */
export interface TextSearch {
  /** As the report names it. */
  readonly name: string;
  /** @returns how many things were looked at, and in which the text stands */
  search(
    call: CallContext,
    scope: ErasureScope,
  ): Promise<{
    readonly looked: number;
    readonly found: readonly { readonly what: string; readonly hits: number }[];
  }>;
}
