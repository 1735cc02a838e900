import type { Environment } from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";

/** Prices by the hour, or by the gigabyte and month; absent where the price book has none. */
export interface AdvicePrices {
  readonly cpuCoreHour?: Cost;
  readonly memoryGibHour?: Cost;
  readonly storageGbMonth?: Cost;
  /** Of a card that is rented, whichever. */
  readonly gpuHour?: Cost;
}

/** Where something is, and whose it is; without a use case it is the organisation's or a team's. */
export interface Place {
  readonly environment: Environment;
  readonly useCaseId?: string;
}

/** What a version takes of a machine, one row a run. */
export interface MeasuredModel {
  readonly cpuMicros: number;
  readonly p95Micros: number;
  readonly fileBytes: number;
  readonly loadedBytes: number;
}

/** An endpoint as it is deployed, and what its requests were. */
export interface EndpointFacts extends Place {
  readonly name: string;
  readonly useCase: string;
  readonly model: string;
  readonly version: number;
  /** Epoch microseconds. */
  readonly deployedAt: number;
  /** Workers in each gateway process. */
  readonly workers: { readonly least: number; readonly most: number };
  /** Gateways that may serve it, one process each at least. */
  readonly gateways: number;
  readonly load: {
    /** Days of counts that there are, at most thirty. */
    readonly days: number;
    readonly requests: number;
    /** Workers that the busiest minute kept busy, all gateways together. */
    readonly busiestWorkers: number;
  };
  /** Requests of the last thirty days, whichever deployment answered: what a month costs where this one has not been there for a week. */
  readonly monthlyRequests?: number;
  /** Absent where the version is not measured, or another server runs it. */
  readonly measured?: MeasuredModel;
  /** p99 that the charter in force asks for, and the share of the time that it answers; absent without one. */
  readonly terms?: { readonly latencyMsP99: number; readonly availability: number };
  /** Graphics processors that answer before a CPU does; stated cost of 1,000 rows. */
  readonly gpu?: { readonly model: string; readonly version: number; readonly costPerThousand?: string };
  /** How the network computes: absent where it is no float32 network (trees, another server's). */
  readonly network?: { readonly isQuantised: boolean; readonly smallerVersion?: number };
  /** Its end is announced, and has not come; until then it costs what it did. */
  readonly isEnding: boolean;
}

/** Batches of the last thirty days that might have waited, of one target. */
export interface BatchFacts extends Place {
  readonly target: string;
  readonly runs: number;
  /** Runs that were bound to hours of the day. */
  readonly windowed: number;
  readonly cpuMicros: number;
  /** Of it, in the hours of the day in which the organisation's endpoints were asked most. */
  readonly cpuMicrosInPeak: number;
  readonly peakHours: readonly number[];
  /** What its newest run was asked for, as `portolan score` takes it. */
  readonly last: {
    readonly dataset: string;
    readonly out: string;
    readonly purpose?: string | undefined;
    readonly columns?: readonly string[] | undefined;
    readonly keys?: readonly string[] | undefined;
  };
}

/** Snapshots with the same source, kept more than once. */
export interface DuplicateData extends Place {
  /** The newest first. `also` are other snapshots that are the same bytes. */
  readonly copies: readonly {
    readonly id: string;
    readonly also: readonly string[];
    readonly contract: string;
    readonly bytes: number;
  }[];
  readonly sourceDigest: string;
}

/** The newest contract of data that nothing removes, and what it has piled up. */
export interface UnboundedData extends Place {
  readonly contract: string;
  readonly snapshots: number;
  readonly bytes: number;
  /** Between its first snapshot and its last one. */
  readonly days: number;
}

/** The prediction log of a use case in an environment. */
export interface LogFacts extends Place {
  readonly useCase: string;
  readonly bytes: number;
  readonly records: number;
  readonly days: number;
  readonly retentionDays: number;
  /** What the charter's regulations ask for at least; absent: none does. */
  readonly requiredDays?: number;
}

/** Graphics cards that were held for a use case, or by a team without one, and measured. */
export interface CardFacts extends Place {
  /** Empty without one. */
  readonly useCase: string;
  readonly team: string;
  readonly heldHours: number;
  readonly busyHours: number;
  /** So long was looked at. */
  readonly days: number;
  /** Of a cluster, that held them; the longest first. */
  readonly pods: readonly {
    readonly namespace: string;
    readonly pod: string;
    readonly heldHours: number;
    readonly busyHours: number;
    /** Epoch microseconds. */
    readonly lastAt: number;
  }[];
}

export interface AdviceFacts {
  readonly now: number;
  readonly endpoints: readonly EndpointFacts[];
  readonly batches: readonly BatchFacts[];
  readonly duplicates: readonly DuplicateData[];
  readonly unbounded: readonly UnboundedData[];
  readonly logs: readonly LogFacts[];
  readonly cards: readonly CardFacts[];
}
