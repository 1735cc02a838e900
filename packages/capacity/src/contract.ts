/** What others may see of quotas and of the queue. */
import {
  type CallContext,
  type EpochMicros,
  environments,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { Eviction, UseWatch } from "./idle/use-watch.ts";

export type { Eviction, UseWatch } from "./idle/use-watch.ts";

const closed = { additionalProperties: false } as const;
const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
const FileText = Type.String({ maxLength: 512 * 1024 });
const FileName = Type.String({ minLength: 1, maxLength: 200, description: "Said in findings" });

/** `PUT /v1/quotas` and `POST /v1/quotas/check` */
export const QuotaApplication = Type.Object(
  {
    file: FileName,
    quotas: Type.String({ maxLength: 512 * 1024, description: "quotas.yaml (docs/quotas.md)" }),
    cluster: Type.Optional(
      Type.Object(
        { file: FileName, text: FileText },
        { ...closed, description: "cluster.yaml; absent: as it was said last" },
      ),
    ),
  },
  closed,
);
export type QuotaApplication = Static<typeof QuotaApplication>;

/** What one team, unit or cohort had and has of one resource, as people write it. */
export const QuotaChange = Type.Object({
  member: Type.String(),
  resource: Type.String(),
  before: Type.Optional(Type.String({ description: "Absent: it had no quota of it" })),
  after: Type.Optional(Type.String({ description: "Absent: it has none any more" })),
});
export type QuotaChange = Static<typeof QuotaChange>;

export const QuotaVerdict = Type.Object({
  teams: Type.Integer(),
  resources: Type.Array(Type.String()),
  sums: Type.Array(
    Type.Object({ resource: Type.String(), guaranteed: Type.String(), cluster: Type.String() }),
    { description: "Empty where nobody said what the cluster has" },
  ),
  changes: Type.Array(QuotaChange, { description: "Of amounts, against the quotas in force" }),
});
export type QuotaVerdict = Static<typeof QuotaVerdict>;

export const QuotaView = Type.Object({
  version: Type.Integer({ description: "0: there never were any" }),
  quotas: Type.Optional(Type.String({ description: "quotas.yaml as it is in force; absent: none are" })),
  cluster: Type.Optional(Type.String()),
  digest: Type.Optional(Type.String()),
  appliedBy: Type.Optional(Type.String({ description: "Id of the person or service account" })),
  appliedAt: Type.Optional(Micros),
});
export type QuotaView = Static<typeof QuotaView>;

export const AppliedQuotas = Type.Object({ ...QuotaVerdict.properties, version: Type.Integer() });
export type AppliedQuotas = Static<typeof AppliedQuotas>;

/** What a training run or scoring asks for. */
export const WorkRequest = Type.Object(
  {
    cpu: Type.Optional(Type.String({ maxLength: 20, description: "Cores, e.g. 2 or 0.5" })),
    memory: Type.Optional(Type.String({ maxLength: 20, description: "e.g. 16GiB" })),
    pods: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    gpus: Type.Optional(
      Type.Array(
        Type.Object(
          {
            model: Type.Optional(
              Type.String({
                maxLength: 60,
                description: "A card that the quotas name, or its beginning: a100",
              }),
            ),
            profile: Type.Optional(
              Type.String({ maxLength: 40, description: "A MIG slice, e.g. 1g.10gb; absent: whole cards" }),
            ),
            count: Type.Integer({ minimum: 1, maximum: 10_000 }),
          },
          closed,
        ),
        { minItems: 1, maxItems: 16 },
      ),
    ),
    timeLimitSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 31_536_000,
        description:
          "How long it may work in all, then it is stopped; time in which it waits does not count. It makes no limit of the server longer",
      }),
    ),
  },
  {
    ...closed,
    description: "What it asks of its team's quotas; what is left out is assumed where the team has a quota",
  },
);
export type WorkRequest = Static<typeof WorkRequest>;

/** Some hours of each day. */
export const JobWindow = Type.Object(
  {
    from: Type.String({ pattern: "^([01]\\d|2[0-3]):[0-5]\\d$", description: "UTC, e.g. 22:00" }),
    to: Type.String({
      pattern: "^([01]\\d|2[0-3]):[0-5]\\d$",
      description: "UTC; before `from`: on the next day",
    }),
  },
  closed,
);
export type JobWindow = Static<typeof JobWindow>;

/** When a training run or scoring may begin. */
export const jobTimes = {
  windows: Type.Optional(
    Type.Array(JobWindow, {
      minItems: 1,
      maxItems: 12,
      description:
        "Within these only it begins, and goes on after a stop; a scoring stops at their end. Absent: at any time",
    }),
  ),
  notBefore: Type.Optional(
    Type.Integer({ minimum: 0, description: "Epoch microseconds; it does not begin before" }),
  ),
};
export interface JobTimes {
  readonly windows?: readonly JobWindow[];
  readonly notBefore?: number;
}

export const workKinds = ["training", "scoring"] as const;
export type WorkKind = (typeof workKinds)[number];

export const queueStates = ["waiting", "admitted", "running", "evicting", "stopped", "ended"] as const;
export type QueueState = (typeof queueStates)[number];

/** Whether work may begin that asks for more than its charter lets begin by itself. */
export const Approval = Type.Object({
  state: Type.Enum(["awaited", "approved", "refused"]),
  for: Type.String({ description: "What of it is above which size, e.g. 8 cards, above 4" }),
  by: Type.Optional(Type.String({ description: "Id of the person who decided" })),
  at: Type.Optional(Micros),
  reason: Type.Optional(Type.String({ description: "Of a refusal" })),
});
export type Approval = Static<typeof Approval>;

/** `POST /v1/queue/:id/refusal` */
export const Refusal = Type.Object(
  { reason: Type.String({ minLength: 3, maxLength: 300, description: "Why it may not begin" }) },
  closed,
);
export type Refusal = Static<typeof Refusal>;

/** What work that does next to nothing was told, and what became of it. */
export const IdleView = Type.Object({
  notice: Type.Optional(
    Type.Object(
      {
        at: Micros,
        since: Micros,
        stopAt: Type.Optional(
          Type.Integer({
            description: "It is stopped then, and not before; absent: it is told, and not stopped",
          }),
        ),
        used: Type.String({ description: "e.g. 0.4 % of 2 CPU" }),
      },
      { description: "Of work that runs; absent: nobody told it" },
    ),
  ),
  kept: Type.Optional(
    Type.Object({
      until: Type.Integer({ description: "It is told nothing before; epoch microseconds" }),
      at: Micros,
      by: Type.String({ description: "Id of the person or service account" }),
      reason: Type.String(),
    }),
  ),
  stopped: Type.Optional(
    Type.Object({
      at: Micros,
      since: Type.Integer({ description: "It did next to nothing from then on; epoch microseconds" }),
      used: Type.String(),
      freed: Type.Array(Type.String(), { description: "What others may have since" }),
      wastedCpuSeconds: Type.Number({ description: "Held and not used" }),
      wastedGpuSeconds: Type.Number({ description: "Held and not used; of slices their part of the card" }),
    }),
  ),
});
export type IdleView = Static<typeof IdleView>;

/** `POST /v1/queue/:id/keep` */
export const KeepRequest = Type.Object(
  {
    forSeconds: Type.Integer({ minimum: 1, maximum: 30 * 86_400, description: "From now on" }),
    reason: Type.String({
      minLength: 3,
      maxLength: 300,
      description: "Why it is to go on though it is idle",
    }),
  },
  closed,
);
export type KeepRequest = Static<typeof KeepRequest>;

/** Where a run or scoring stands in the queue of its team. */
export const QueueView = Type.Object(
  {
    state: Type.Enum([...queueStates], {
      description:
        "admitted: it has its part of the quota, and waits for its turn to begin; evicting: it has lost its part, and is being stopped; stopped: it did nothing, and waits until a person has it go on",
    }),
    team: Type.Optional(Type.String({ description: "unit/team" })),
    request: Type.Array(Type.String(), { description: "e.g. 2 CPU" }),
    says: Type.String({ description: "Why it waits, in words" }),
    priority: Type.Integer({ description: "As it counts: at most the highest that its team may ask" }),
    reason: Type.Optional(Type.String()),
    resource: Type.Optional(Type.String()),
    position: Type.Optional(Type.Integer({ description: "In its team's queue, from 1" })),
    expectedWaitSeconds: Type.Optional(
      Type.Integer({
        description: "Where work of its kind has ended before: by the median of how long that took",
      }),
    ),
    begunAt: Type.Optional(
      Type.Integer({ description: "When it last began to work, of what does; microseconds since 1970" }),
    ),
    evictions: Type.Integer({ description: "How often it had to go for others" }),
    approval: Type.Optional(Approval),
    idle: Type.Optional(IdleView),
  },
  { description: "Absent where the organisation has no quotas and nobody need approve it" },
);
export type QueueView = Static<typeof QueueView>;

/** Work as it stands in the queue; made before any transaction, for it asks who the team is. */
export interface QueuedWork {
  readonly id: string;
  readonly kind: WorkKind;
  readonly environment: string;
  readonly useCaseId?: string;
  /** `unit/team` */
  readonly team?: string;
  /** By resource, in whole units. */
  readonly asked: Readonly<Record<string, number>>;
  readonly assumed: Readonly<Record<string, number>>;
  readonly priority: number;
  readonly isPreemptible: boolean;
  /** Outside its window until then. */
  readonly notBefore?: EpochMicros;
  /** On another cluster: it takes no part of the quotas, and asks for approval alone. */
  readonly isElsewhere?: boolean;
  /** What of it is above the size that its charter lets begin by itself; absent: nothing is. */
  readonly approvalFor?: string;
}

/** What the domains whose work waits ask; without quotas every answer is that it may begin, and nothing is kept. */
export interface AdmissionQueue {
  /**
   * @returns undefined where nothing need be asked: it takes no part of any quota, and its charter lets it begin by itself; its priority is at most what
   * its team may ask
   * @throws PortolanError `capacity.request_not_valid` where it asks for what the quotas do not know, or what cannot be read
   */
  prepare(
    call: CallContext,
    work: Omit<QueuedWork, "team" | "asked" | "assumed" | "approvalFor"> & {
      readonly request: WorkRequest | undefined;
      readonly assumed: { readonly cpu: number; readonly memoryBytes: number };
    },
  ): Promise<QueuedWork | undefined>;
  /**
   * Why work would be refused or wait for ever, were it submitted now, whatever else ended: for whoever makes something before they submit it.
   * Undefined where it would begin or have a place in the queue that it can come out of. Changes nothing.
   */
  hindrance(call: CallContext, work: Parameters<AdmissionQueue["prepare"]>[1]): Promise<string | undefined>;
  /** In the transaction in which the job is enqueued. @throws PortolanError `capacity.no_team` where it is of no use case, `capacity.queue_full` */
  enter(tx: Transaction, work: QueuedWork, job: string): Promise<void>;
  /**
   * Each time the job begins: one that was being stopped is out of the way then.
   *
   * @throws PortolanError `capacity.approval_refused` where somebody said that it may not begin
   */
  ask(tx: Transaction, work: QueuedWork, job: string): Promise<Admission>;
  /** Why work that runs has to go; undefined where it need not. */
  evictedBy(sql: Sql, id: string): Promise<Eviction | undefined>;
  /** Holds what one start of a run uses against what its team's quotas say of idle work. @param startedAt epoch microseconds */
  watchUse(id: string, startedAt: number): UseWatch;
  /** Why work may not begin that somebody refused; undefined where nobody did. */
  refusal(sql: Sql, id: string): Promise<string | undefined>;
  /** It runs no more, and waits again. */
  putBack(tx: Transaction, id: string, notBefore?: EpochMicros): Promise<void>;
  /** It is over, however it ended. */
  release(tx: Transaction, id: string): Promise<void>;
  /** Those of them that wait for their team's quota, or for a person who has them go on. */
  waitingAmong(sql: Sql, ids: readonly string[]): Promise<ReadonlySet<string>>;
  view(sql: Sql, organisationId: string, id: string): Promise<QueueView | undefined>;
}

export type Admission =
  | { readonly kind: "go" }
  | {
      readonly kind: "wait";
      readonly note: string;
      /** When to ask again at the latest; it is woken before. */
      readonly until: EpochMicros;
    };

/** Work in the queue, for lists. */
export const QueueItem = Type.Object({
  id: Type.String({ description: "Of the training run or scoring" }),
  kind: Type.Enum([...workKinds]),
  environment: Type.String(),
  useCaseId: Type.Optional(Type.String()),
  job: Type.String(),
  priority: Type.Integer(),
  startedBy: Type.String(),
  arrivedAt: Micros,
  queue: QueueView,
});
export type QueueItem = Static<typeof QueueItem>;
export const QueueList = Type.Object({
  isInForce: Type.Boolean({ description: "Whether there are quotas; without them nothing is in the queue" }),
  items: Type.Array(QueueItem, { description: "What is not over and the caller may see, the oldest first" }),
});
export type QueueList = Static<typeof QueueList>;

const Amount = Type.Object({ amount: Type.Integer({ description: "In whole units" }), text: Type.String() });
export const PoolStatus = Type.Object({
  isInForce: Type.Boolean(),
  teams: Type.Array(
    Type.Object({
      team: Type.String(),
      waiting: Type.Integer(),
      awaitingApproval: Type.Integer({ description: "Of those that wait" }),
      running: Type.Integer({ description: "That have their part of the quota" }),
      idle: Type.Integer({ description: "Of those that run: told that they do next to nothing" }),
      stopped: Type.Integer({ description: "That did nothing, and wait until a person has them go on" }),
      expectedWaitSeconds: Type.Optional(
        Type.Integer({ description: "Of the last one that waits and may be let in" }),
      ),
      resources: Type.Array(
        Type.Object({
          resource: Type.String(),
          nominal: Amount,
          used: Amount,
          // What it uses beyond its own.
          borrowed: Amount,
          // What it could take now, borrowed too, were nobody stopped for it.
          free: Amount,
        }),
      ),
    }),
  ),
});
export type PoolStatus = Static<typeof PoolStatus>;

/** `POST /v1/queue/check` */
export const QueueQuestion = Type.Object(
  {
    kind: Type.Enum([...workKinds]),
    environment: Type.Enum([...environments]),
    useCaseId: Type.Optional(Type.String({ maxLength: 60 })),
    priority: Type.Optional(Type.Integer({ minimum: -10, maximum: 10 })),
    resources: Type.Optional(WorkRequest),
    ...jobTimes,
  },
  closed,
);
export type QueueQuestion = Static<typeof QueueQuestion>;
export const QueueAnswer = Type.Object({
  verdict: Type.Enum(["begins", "waits for others to stop", "waits"], {
    description: "What would become of it, were it submitted now",
  }),
  says: Type.String(),
  evicts: Type.Array(Type.String(), { description: "Those that would have to go" }),
  queue: Type.Optional(QueueView),
});
export type QueueAnswer = Static<typeof QueueAnswer>;
