import type { EpochMicros } from "@portolan/kernel";
import type { EarlyLine } from "./early/early-line.ts";
import type { EventRecord, WindowShape } from "./events/event-record.ts";
import type { FeatureValue } from "./feature-value.ts";
import type { LogRecord } from "./log/log-record.ts";

export type ValueStatus = "present" | "null" | "not_found" | "outside_max_age";

/** The values of one view for one entity. */
export interface OnlineVector {
  /** `unavailable`: the store did not answer in time; nothing is known of the entity, and `values` is empty. */
  readonly status: "found" | "not_found" | "outside_max_age" | "unavailable";
  /** When the values were computed, or the event time of what states them; epoch microseconds, absent when there are none. */
  readonly asOf?: EpochMicros;
  /** By feature name; a value that is not present is null and says why. */
  readonly values: Readonly<Record<string, { readonly value: FeatureValue; readonly status: ValueStatus }>>;
}

export interface OnlineRow {
  readonly key: readonly (string | number)[];
  /** In the order of the view's features. */
  readonly values: readonly FeatureValue[];
}

/** A view's values in one environment of one organisation: the same name elsewhere is another view. */
export interface OnlineViewKey {
  readonly organisationId: string;
  readonly environment: string;
  /** `name@version`. */
  readonly view: string;
  /** Of the view's definition: values that another definition left behind are not found. */
  readonly digest: string;
}

export interface OnlineViewHeader extends OnlineViewKey {
  readonly ttlMicros: number;
  readonly featureNames: readonly string[];
  /** Of a view of windows whose events lie in a log: its values are folded when somebody asks. */
  readonly windows?: WindowShape;
  /** Accepted events count before their batch is in the log (F53). */
  readonly isEarly?: true;
}

/** What a view's windows take in an online store, as it was when it was looked through last. */
export interface OnlineState {
  /** As of when; epoch microseconds. */
  readonly at: number;
  readonly entities: number;
  readonly events: number;
  /** Pre-aggregates of all entities, and of the one that has most. */
  readonly tiles: number;
  readonly mostTiles: number;
  readonly bytes: number;
  readonly mostBytes: number;
  /** Event time at which the oldest one begins; absent without any. */
  readonly oldestTile?: number;
}

/** What a view's values take in an online store, as it was when they were counted last. Early values are not among them. */
export interface ValueState {
  /** As of when; epoch microseconds. */
  readonly at: number;
  readonly entities: number;
  readonly bytes: number;
  readonly mostBytes: number;
  /** Entities whose newest values are older than the ttl: they take room and answer `outside_max_age`. */
  readonly outsideMaxAge: number;
  /** Entities whose values were withdrawn. */
  readonly withdrawn: number;
  /** Event time of the entity that was stated longest ago, of those that were not withdrawn; absent without any. */
  readonly oldest?: number;
}

/** One record of a feature log and whose it is: of values, or of the events of a view of windows (`header.windows`). */
export interface OnlineRecord {
  readonly key: readonly string[];
  readonly record: LogRecord | EventRecord;
  /** Which event it states, in a view of windows whose early events are online; `identityKey` of it. */
  readonly id?: string;
}

/** Numbers of accepted events that follow one another: the first and the last. */
export type AcceptedRange = readonly [first: number, last: number];

/** Accepted events whose batch is under way, over what the log's fold has: a reader sees both as if they were one log (docs/spec/features.md, F53). */
export interface EarlyValues {
  /**
   * Takes lines in of a view into which this log is folded; those of any other are left out. They are there for every reader once it resolves; the
   * same line again changes nothing.
   */
  accept(view: OnlineViewHeader, log: string, lines: readonly EarlyLine[]): Promise<void>;
  /** Removes those with these numbers: the log has them now, or never will. Resolves to how many there were. */
  settle(view: OnlineViewKey, accepted: readonly AcceptedRange[]): Promise<number>;
  /** All that are there, by their number, with when they were accepted. */
  waiting(view: OnlineViewKey): Promise<readonly Pick<EarlyLine, "accepted" | "acceptedAt">[]>;
}

/** How far a log is folded into an online store. */
export interface FoldPosition {
  /** Id of the log. */
  readonly log: string;
  /** Sequence of the last record that is folded, 0 before the first. */
  readonly sequence: number;
  /** Up to when the values are known; they are exact from `historyMicros` before. */
  readonly asOf: EpochMicros;
}

export interface LogFold {
  readonly log: string;
  /** The store has folded at least so far; 0 folds a log from its beginning. */
  readonly after: number;
  /** Replaces the view whole though the same log is there, of which records were erased; `after` is 0. Nothing of what was there is kept. */
  readonly isAnew?: true;
  /** Sequence of the last record that the pages bring. */
  readonly upTo: number;
  readonly asOf: EpochMicros;
  /** Of a view of windows an entity's lines come in the order of the log. */
  readonly pages: AsyncIterable<readonly OnlineRecord[]>;
}

/** Which entity of which view is asked for. */
export interface OnlineQuestion {
  readonly view: OnlineViewKey;
  readonly key: OnlineRow["key"];
}

/** Which features of which entities of a view are asked for. */
export interface ColumnsQuestion {
  readonly view: OnlineViewKey;
  readonly keys: readonly OnlineRow["key"][];
  /** Names of features of the view. */
  readonly features: readonly string[];
}

/** Why a cell has its value, or none. `unavailable`: the store did not answer in time. */
export type CellStatus = ValueStatus | "unavailable";

/**
 * Values of some features of a view, for whoever passes them on as JSON: a value is its text. The cell of a feature and an entity, each by its place in
 * the question, is `feature * entities + entity`.
 */
export interface OnlineColumns {
  /** Of each entity, as `OnlineVector.asOf`: epoch microseconds, NaN where there is none. */
  readonly asOf: Float64Array;
  /** Of each cell, by its place in `cellStatuses`. */
  readonly statuses: Uint8Array;
  /** Of each cell that is present, where in `text` its value begins and ends; elsewhere they say nothing. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  /** JSON, in UTF-8: a number, a text, or the names of NaN and the infinities as texts. */
  readonly text: Uint8Array;
}

/** The newest values per entity, as whoever serves reads them. Any number of processes read. */
export interface OnlineReader {
  /**
   * One answer per question, in their order. `at` is the moment of the request: values older than the view's ttl, or computed after `at`
   * (a look ahead), are outside their age. Answers of one view are of one state of it: nobody sees half a replacement. Never rejects: what a store
   * does not say in time is `unavailable`.
   */
  read(questions: readonly OnlineQuestion[], at: EpochMicros): Promise<readonly OnlineVector[]>;
  /** As `read`, feature by feature: the same values, statuses and times, one answer per question. */
  readColumns(questions: readonly ColumnsQuestion[], at: EpochMicros): Promise<readonly OnlineColumns[]>;
  close(): Promise<void>;
}

/**
 * The newest values per entity, as their writer has them. One process writes; a second one at once is refused or changes nothing that the first
 * one would not. What is written is there for every reader that asks after it resolved.
 *
 * @throws PortolanError `features.online_busy` when another writer came in between, `features.online_unavailable` when the store does not answer
 */
export interface OnlineStore extends OnlineReader {
  /** Absent where events go online with their batch alone. */
  readonly early?: EarlyValues;
  /**
   * Replaces the whole view at once: a reader sees the old values or the new ones. Older values never
   * replace newer: then nothing is written, and it resolves to the moment of those that stay.
   */
  replace(
    header: OnlineViewHeader,
    asOf: EpochMicros,
    rows: readonly OnlineRow[],
  ): Promise<{ readonly supersededBy?: EpochMicros }>;
  /** Writes some entities of a view that is there already. */
  update(header: OnlineViewHeader, asOf: EpochMicros, rows: readonly OnlineRow[]): Promise<void>;
  /** How far the view's log is folded; `undefined` when nothing of it is, or another definition is there. */
  foldPosition(view: OnlineViewKey): Promise<FoldPosition | undefined>;
  /**
   * Folds records of a view's log into the store; one fold at a time. Another log replaces the view whole, once its last page is there. Killed in the middle
   * it is done again from the same position, with the same result.
   * @throws PortolanError `features.fold_gap` when the store has not folded as far as `after`
   */
  fold(header: OnlineViewHeader, fold: LogFold): Promise<void>;
  /** How many entities of a view, whatever its definition, have this value as one part of their key. */
  countEntities(view: OnlineViewKey, named: EntityPart): Promise<number>;
  /** Removes those entities for good, from all that the store keeps of the view; resolves to how many there were. Repeatable. */
  forgetEntities(view: OnlineViewKey, named: EntityPart): Promise<number>;
  /** Everything that is kept of a view, whatever its definition and generation, entry by entry as text: keys, values, what the store notes beside them. */
  textsOf(view: OnlineViewKey): AsyncIterable<string>;
  /** What a view's windows take; `undefined` of a view that has none, or is not there. */
  windowState(view: OnlineViewKey): Promise<OnlineState | undefined>;
  /** What the values of a view take that come from its log; `undefined` of a view of windows, or that is not there. */
  valueState(view: OnlineViewKey): Promise<ValueState | undefined>;
}

/** Part of an entity's key, by its place in the view's key order. */
export interface EntityPart {
  readonly part: number;
  /** How many parts a key of the view has. */
  readonly parts: number;
  readonly value: string;
}
