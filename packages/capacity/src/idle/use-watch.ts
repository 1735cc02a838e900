import type { Sql, Transaction } from "@portolan/kernel";

export interface Eviction {
  readonly reason: string;
  /** It did nothing: it goes though it keeps its place before others, and waits for a person. */
  readonly isIdle: boolean;
}

/** Of one start of a run: what was seen of it is of that start alone, and ends with its process. */
export interface UseWatch {
  /** Whether anybody would look at what is seen: the quotas look for idle work of its team, or a notice stands. */
  isWanted(sql: Sql, organisationId: string): Promise<boolean>;
  /** Tells it, or has it go, where it does next to nothing. @param used since it started; undefined: nobody could look */
  look(
    tx: Transaction,
    used:
      | {
          readonly cpuMicros: number;
          /** Percent, of the busiest card where work on another cluster is; absent: nobody tells. */
          readonly busiestCard?: number;
        }
      | undefined,
  ): Promise<void>;
}
