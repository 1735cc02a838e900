import type { Actor, CallContext, Environment, Transaction } from "@portolan/kernel";
import type { KafkaConnection, PostgresqlConnection } from "./connections/read-connection.ts";
import type { DatasetManifest } from "./resources.ts";
import type { ObservedColumn } from "./sources/observe-sources.ts";
import type { Value } from "./values/parse-value.ts";

/** Hears of every dataset, in the transaction that publishes it. */
export type FollowDataset = (tx: Transaction, dataset: DatasetManifest) => Promise<void>;

/** Whether data may be kept and processed here at all: answered from the charter in force. */
export interface ResidencyCheck {
  /** @throws PortolanError when the charter of the use case excludes this machine; the refusal is on the ledger. */
  require(
    call: CallContext,
    what: { readonly useCaseId?: string; readonly environment: Environment; readonly name: string },
  ): Promise<void>;
}

/** What whoever subscribed may still do, asked again and again: no answer leaves a record. */
export interface SubscriberRights {
  /** Whether neither the principal nor the API key that it came with was disabled or revoked since. */
  isActive(actor: Actor): Promise<boolean>;
  /** As `ResidencyCheck`; resolves to why the data may not be held here, undefined where it may. */
  whyNotHeld(
    call: CallContext,
    what: { readonly useCaseId?: string; readonly environment: Environment; readonly name: string },
  ): Promise<string | undefined>;
}

/** A notice on its way to where a contract's support channel says. */
export interface OutgoingNotice {
  /** The same at every attempt: the receiver may drop what it has. */
  readonly id: string;
  readonly url: string;
  /** A CloudEvent in JSON. */
  readonly body: string;
}

/** Delivers notices to addresses that people wrote into contracts. */
export interface NoticeSender {
  /** Resolves once the receiver took it, with a status of 200 to 299. @throws when it did not, or its address may not be asked */
  send(notice: OutgoingNotice): Promise<void>;
}

/** A record of a topic, as the cluster keeps it. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: bigint;
  /** Null where a producer wrote none: a tombstone. */
  readonly value: Uint8Array | null;
}

/** What a partition has: the offset of the oldest record that is still there, and of the next that will be written. */
export interface TopicPartition {
  readonly partition: number;
  readonly earliest: bigint;
  readonly next: bigint;
}

/** A member of a consumer group, which reads one topic. */
export interface TopicSession extends AsyncDisposable {
  /** The cluster's own id of the topic: one that is made anew under the name has another. */
  readonly topicId: string;
  readonly partitions: readonly TopicPartition[];
  /**
   * Reads on from these offsets, which it tells the group first; a partition that they lack is not read. Records come in the order of their
   * partition, some of them perhaps again after the group changed. While nobody asks for the next batch, nothing more is fetched.
   *
   * @throws when the cluster is lost, or a partition begins after the offset: open another session then.
   */
  read(from: ReadonlyMap<number, bigint>): AsyncIterable<readonly TopicRecord[]>;
  /** Tells the group which offsets come next: tools that watch its lag see it. What is read on from is said to `read`. */
  commit(next: ReadonlyMap<number, bigint>): Promise<void>;
}

/** Reads topics of Apache Kafka. Implemented by `kafka`. */
export interface TopicReader {
  /** @throws PortolanError `data.connection_failed` without a credential in its words. */
  open(
    connection: KafkaConnection,
    of: { readonly topic: string; readonly group: string; readonly signal: AbortSignal },
  ): Promise<TopicSession>;
}

/** One table or view to be read, `schema.name`. */
export interface RelationRequest<T> {
  readonly relation: string;
  /** Names of columns, in upper or lower case: rows have them as they are spelt here. Those that it lacks are left out, and it is for the caller to see which they were. */
  readonly wanted: readonly string[];
  /** Takes its rows, one JSON object per line, as they come. */
  readonly keep: (lines: AsyncIterable<Uint8Array>, maxBytes: number) => Promise<T>;
}

export interface RelationSnapshot<T> {
  /** All columns that it has, with the server's own names of their types. */
  readonly columns: readonly ObservedColumn[];
  readonly rows: number;
  /** Absent where it has none of the wanted columns: then it was not read. */
  readonly kept?: T;
}

/** Reads tables and views. Implemented by `postgresql`. */
export interface RelationReader {
  /**
   * Reads all of them in one snapshot, writing and locking nothing.
   *
   * @throws PortolanError `data.connection_failed`, `data.source_too_large`
   */
  read<T>(
    connection: PostgresqlConnection,
    requests: readonly RelationRequest<T>[],
    signal: AbortSignal,
  ): Promise<RelationSnapshot<T>[]>;
}

/** Whose events, under which contract. */
export interface AcceptedPlace {
  readonly organisationId: string;
  readonly contract: string;
  readonly environment: string;
  readonly useCaseId?: string;
}

/** Events of one request that break no rule of their contract, on disk already. */
export interface AcceptedEvents {
  /** Epoch microseconds. */
  readonly acceptedAt: number;
  /** What they take, about. */
  readonly bytes: number;
  readonly rows: readonly AcceptedRow[];
}

export interface AcceptedRow {
  /** Its number among all events. */
  readonly accepted: number;
  /** By column, as a dataset of the contract would have them. */
  readonly values: Readonly<Record<string, Value | null>>;
}

/** What was accepted before its batch was judged as a whole, once more, in the order in which it was. */
export interface AcceptedHistory {
  /**
   * Of a batch, whatever became of it; undefined where its source is not kept any more, or some of it was erased.
   *
   * @param batch `numbers` of its events, first and last of those that follow one another
   */
  ofBatch(
    call: CallContext,
    batch: {
      readonly ingestionId: string;
      readonly numbers: readonly (readonly [first: number, last: number])[];
    },
  ): Promise<readonly AcceptedRow[] | undefined>;
  /** Of events that wait for their batch; undefined where more than `most` do, or more bytes of them, as UTF-8. */
  waiting(
    call: CallContext,
    place: AcceptedPlace,
    most: { readonly events: number; readonly bytes: number },
  ): Promise<readonly AcceptedRow[] | undefined>;
}

/** Who takes events when they are accepted, before their batch is judged as a whole. */
export interface EarlyTaker {
  /** Whether anybody wants those of this place. Asked for each request. */
  wants(place: AcceptedPlace): boolean;
  /** Resolves when there is room for more; until then whoever sends events waits for the answer. Never rejects. */
  take(place: AcceptedPlace, events: AcceptedEvents): Promise<void>;
}
