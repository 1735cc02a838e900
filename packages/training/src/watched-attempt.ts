import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { AdmissionQueue, Eviction, UseWatch } from "@portolan/capacity/contract";
import { type CallContext, isPortolanError, messageOf, type UnitOfWork } from "@portolan/kernel";
import type { AttemptEnding } from "./attempt-schema.ts";
import {
  closeAttempt,
  listAttempts,
  noteAttempt,
  openAttempt,
  putBack,
  roomWantedBy,
} from "./attempt-store.ts";
import type { TrainingRunRequest } from "./contract.ts";
import type { TrainingErrorCode } from "./errors.ts";
import { attemptView, isPreemptible, type KeptAttempt, overdueSince } from "./lost-work.ts";
import { newestCheckpoint } from "./newest-checkpoint.ts";
import type { TrainerUsage } from "./trainer-usage.ts";

/** How runs make room for others. */
export interface PreemptionRules {
  /** Between SIGTERM and SIGKILL of a trainer that is to make room. */
  readonly noticeMs: number;
  /** A run that made room so often keeps its place from then on. */
  readonly mostPreemptions: number;
  /** How often control looks at checkpoints, and at who waits; two seconds by default. */
  readonly watchEveryMs?: number;
}

interface WatchedRun {
  readonly id: string;
  readonly request: TrainingRunRequest;
  /** The run's own folder. */
  readonly folder: string;
}

interface WatchDeps {
  readonly uow: UnitOfWork;
  readonly preemption: PreemptionRules;
  readonly admission?: AdmissionQueue;
}

const defaultWatchMs = 2_000;

/**
 * One start of a run's trainer: its row, the checkpoints that come, and whether it is to make room. What stops it is decided here; who starts it
 * calls `run` with the signal to make room.
 */
export class WatchedAttempt {
  readonly #deps: WatchDeps;
  readonly #call: CallContext;
  readonly #run: WatchedRun;
  readonly #attempt: number;
  readonly #makeRoom = new AbortController();
  #seen: KeptAttempt;
  readonly #mayBePreempted: boolean;
  readonly #idle: UseWatch | undefined;
  /** How long earlier attempts of the run worked, together. */
  readonly workedMicros: number;
  /** Why its trainer was told to end. */
  #reason: Eviction | undefined;
  #used: TrainerUsage | undefined;
  /** Whether it was seen since the last look: what is not is no evidence. */
  #isNewlyUsed = false;

  private constructor(
    deps: WatchDeps,
    call: CallContext,
    run: WatchedRun,
    begun: { readonly attempt: number; readonly now: number; readonly earlier: readonly KeptAttempt[] },
  ) {
    this.#deps = deps;
    this.#call = call;
    this.#run = run;
    this.#attempt = begun.attempt;
    this.#seen = { startedAt: begun.now, seenAt: begun.now, checkpoints: 0, overdueTimes: 0 };
    const preemptions = begun.earlier.filter(({ ending }) => ending === "preempted").length;
    this.#mayBePreempted = isPreemptible(run.request) && preemptions < deps.preemption.mostPreemptions;
    this.#idle = deps.admission?.watchUse(run.id, begun.now);
    this.workedMicros = begun.earlier.reduce(
      (sum, { startedAt, endedAt = startedAt }) => sum + Math.max(0, endedAt - startedAt),
      0,
    );
  }

  static async begin(deps: WatchDeps, call: CallContext, run: WatchedRun): Promise<WatchedAttempt> {
    const begun = await deps.uow.write(call, async (tx) => {
      const attempt = await openAttempt(tx.sql, run.id, tx.now);
      return { attempt, now: tx.now, earlier: await listAttempts(tx.sql, run.id) };
    });
    return new WatchedAttempt(deps, call, run, begun);
  }

  /** What its trainer used so far; kept with the next look, and with its end. */
  noteUsed(used: TrainerUsage): void {
    this.#used = used;
    this.#isNewlyUsed = true;
  }

  /**
   * Runs the trainer, and has its end on record.
   *
   * @param start gets what is aborted when the trainer is to make room
   * @param stopped aborted where control ends or the run was cancelled
   * @returns what came out, or `preempted` with the reason; the run waits again then, or until a person has it go on where it did nothing
   * @throws what `start` throws
   */
  async run<Outcome>(
    start: (makeRoom: AbortSignal) => Promise<Outcome>,
    stopped: AbortSignal,
  ): Promise<{ readonly outcome: Outcome } | { readonly preempted: string }> {
    const over = new AbortController();
    const watching = this.#watch(over.signal);
    const end = await start(this.#makeRoom.signal).then(
      (outcome) => ({ outcome }),
      (error: unknown) => ({ error }),
    );
    over.abort();
    await watching;
    if ("outcome" in end) {
      await this.#close("finished");
      return end;
    }
    const { error } = end;
    const interrupted =
      isPortolanError(error) && error.code === ("training.interrupted" satisfies TrainingErrorCode);
    if (interrupted && this.#reason !== undefined && !stopped.aborted) {
      const { reason, isIdle } = this.#reason;
      await this.#close(isIdle ? "idle" : "preempted", reason);
      return { preempted: reason };
    }
    const ending = stopped.aborted ? "stopped" : interrupted ? "interrupted" : "failed";
    await this.#close(ending, messageOf(error).slice(0, 300));
    throw error;
  }

  /** Looks once at the start and once at the end, so that no checkpoint of a short attempt is missed. */
  async #watch(over: AbortSignal): Promise<void> {
    const everyMs = this.#deps.preemption.watchEveryMs ?? defaultWatchMs;
    for (;;) {
      const isLast = over.aborted;
      // The database may be away for a moment; the trainer goes on.
      const reason = await this.#look().catch(() => undefined);
      if (isLast) return;
      const isAsked = reason !== undefined && this.#reason === undefined && !over.aborted;
      if (isAsked && (reason.isIdle || this.#mayBePreempted)) {
        this.#reason = reason;
        this.#makeRoom.abort();
      }
      await delay(everyMs, undefined, { signal: over }).catch(() => undefined);
    }
  }

  /** Notes what is seen of it; resolves to why it is to end. */
  async #look(): Promise<Eviction | undefined> {
    const { uow, admission } = this.#deps;
    const { id, request, folder } = this.#run;
    const newest = await newestCheckpoint(join(folder, "checkpoint"));
    return uow.write(this.#call, async (tx) => {
      this.#seen = lookedAt(this.#seen, {
        newest,
        now: tx.now,
        intervalSeconds: request.checkpointIntervalSeconds,
      });
      await noteAttempt(
        tx.sql,
        { runId: id, attempt: this.#attempt },
        {
          now: tx.now,
          ...this.#seen,
          ...(this.#used ? { used: this.#used } : {}),
        },
      );
      const used = this.#isNewlyUsed ? this.#used : undefined;
      this.#isNewlyUsed = false;
      await this.#idle?.look(tx, used && { cpuMicros: used.demandMicros ?? used.cpuMicros });
      const evicted = await admission?.evictedBy(tx.sql, id);
      if (evicted !== undefined) return evicted;
      const { asked, moreUrgent } = await roomWantedBy(tx.sql, id, tx.now, admission);
      const reason = asked ?? (moreUrgent === undefined ? undefined : `${moreUrgent} goes before it`);
      return reason === undefined ? undefined : { reason, isIdle: false };
    });
  }

  async #close(ending: AttemptEnding, reason?: string): Promise<void> {
    const { id } = this.#run;
    await this.#deps.uow.write(this.#call, async (tx) => {
      const end = {
        ending,
        now: tx.now,
        ...(reason === undefined ? {} : { reason }),
        ...(this.#used ? { used: this.#used } : {}),
      };
      await closeAttempt(tx.sql, { runId: id, attempt: this.#attempt }, end);
      if (ending !== "preempted" && ending !== "idle") return;
      await putBack(tx.sql, id);
      await this.#deps.admission?.putBack(tx, id);
      const { keptSeconds, lostSeconds } = attemptView({ ...this.#seen, endedAt: tx.now, ending });
      await tx.record({
        event: ending === "idle" ? "training.run.stopped" : "training.run.preempted",
        subject: id,
        detail: { attempt: this.#attempt, keptSeconds, lostSeconds, reason: reason ?? "" },
      });
    });
  }
}

/**
 * An attempt after another look. What lay in the folder before it began is an earlier attempt's checkpoint. Pure.
 *
 * @param seen `newest` and `now` in epoch microseconds
 */
export function lookedAt(
  before: KeptAttempt,
  seen: {
    readonly newest: number | undefined;
    readonly now: number;
    readonly intervalSeconds: number | undefined;
  },
): KeptAttempt {
  const { newest, now, intervalSeconds } = seen;
  const { overdueSince: missing, ...rest } = before;
  const isNew = newest !== undefined && newest > (before.checkpointAt ?? before.startedAt);
  const after = isNew
    ? { ...rest, checkpointAt: Math.min(newest, now), checkpoints: rest.checkpoints + 1, seenAt: now }
    : { ...rest, seenAt: now };
  const since = overdueSince(intervalSeconds, after, now);
  if (since === undefined) return after;
  const isAnother = missing !== since;
  return { ...after, overdueSince: since, overdueTimes: after.overdueTimes + (isAnother ? 1 : 0) };
}
