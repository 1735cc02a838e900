import type { Approval, QueuedWork, QueueState, WorkKind } from "../contract.ts";
import type { Held, IdleNotice, IdleUse, Wasted } from "../idle/judge-idle.ts";
import type { WaitReason } from "../quota/decide.ts";

/** What work was told that does next to nothing, and what became of it; times in epoch microseconds. */
export interface IdleState {
  readonly notice?: IdleNotice & { readonly held: Held };
  readonly kept?: {
    readonly until: number;
    readonly at: number;
    readonly by: string;
    readonly reason: string;
  };
  /** It is being stopped, or was. */
  readonly stopped?: {
    readonly at: number;
    readonly since: number;
    readonly held: Held;
    readonly freed: readonly string[];
    readonly use: IdleUse;
    readonly wasted: Wasted;
  };
}

/** Work of an organisation that waits or runs, as it is kept; times in epoch microseconds. */
export interface Workload {
  readonly id: string;
  readonly kind: WorkKind;
  readonly environment: string;
  readonly useCaseId?: string;
  /** `unit/team` */
  readonly team?: string;
  readonly job: string;
  readonly startedBy: string;
  /** Whom that one acted for, if for somebody. */
  readonly startedFor?: string;
  /** On another cluster: it has no part of the quotas, and is here for its approval alone. */
  readonly isElsewhere?: boolean;
  /** Absent: nobody need approve it. */
  readonly approval?: Approval;
  readonly asked: Readonly<Record<string, number>>;
  readonly assumed: Readonly<Record<string, number>>;
  readonly priority: number;
  readonly isPreemptible: boolean;
  readonly state: QueueState;
  readonly arrivedAt: number;
  readonly notBefore?: number;
  readonly admittedSeq?: number;
  readonly admittedAt?: number;
  readonly begunAt?: number;
  readonly endedAt?: number;
  readonly ranMicros: number;
  readonly wasEvicted: boolean;
  readonly evictions: number;
  readonly evictedBy?: string;
  readonly wait?: Wait;
  /** Absent: nobody told it anything. */
  readonly idle?: IdleState;
}

/** Why work of one organisation does not run. */
export type QueueReason =
  | WaitReason
  /** It belongs to no use case, and so to no team. */
  | "no-team"
  /** Its team is not in the file of quotas. */
  | "no-quota"
  | "outside-window"
  /** It asks for more than its charter lets begin by itself. */
  | "awaits-approval";

export interface Wait {
  readonly reason: QueueReason;
  readonly resource?: string;
  /** In its team's queue, from 1. */
  readonly position: number;
}

/** Work as it would enter the queue. Pure. */
export function newWorkload(queued: QueuedWork, startedBy: string, now: number): Workload {
  const { approvalFor } = queued;
  return {
    ...queued,
    job: "",
    startedBy,
    ...(approvalFor === undefined ? {} : { approval: { state: "awaited", for: approvalFor } }),
    state: "waiting",
    arrivedAt: now,
    ranMicros: 0,
    wasEvicted: false,
    evictions: 0,
  };
}
