import { asEpochMicros, type CallContext, type Environment, formatInstant } from "@portolan/kernel";
import { alertKey, type Finding } from "./finding.ts";
import { endAll, openAlerts, settleAll, type WatchDeps, type WatchRound } from "./watch.ts";

/** Work that holds a part of its team's quota, and was told that it does next to nothing. */
export interface IdleWorkFact {
  readonly id: string;
  readonly environment: Environment;
  readonly useCaseId: string | null;
  readonly team: string;
  /** e.g. `0.4 % of 2 CPU` */
  readonly used: string;
  /** Epoch microseconds. */
  readonly since: number;
  /** Epoch microseconds; absent: it is told, and not stopped. */
  readonly stopAt?: number;
}

/** The queue; `capacity` has it. */
export interface IdleWork {
  /** Of the call's organisation, all that a notice stands of now. */
  noticed(call: CallContext): Promise<readonly IdleWorkFact[]>;
}

/**
 * Opens an alert for each notice, and resolves those of work that has none any more.
 *
 * @param call of the process itself, for one organisation
 */
export async function watchIdleWork(
  deps: Pick<WatchDeps, "work" | "clock"> & { readonly idle: IdleWork },
  call: CallContext,
): Promise<WatchRound> {
  const findings = (await deps.idle.noticed(call)).map(idleFinding);
  const { opened, resolved } = await settleAll(deps, call, findings);
  const keys = new Set(findings.map(({ key }) => key));
  const gone = (await openAlerts(deps, call, "idle")).filter(({ key }) => !keys.has(key));
  const ended = await endAll(deps, call, gone, "it works again, is kept, was stopped or is over");
  return { opened, resolved: resolved + ended };
}

/** Pure. */
function idleFinding({ id, environment, useCaseId, team, used, since, stopAt }: IdleWorkFact): Finding {
  const of = {
    kind: "idle",
    environment,
    useCaseId,
    endpoint: id,
    variant: "",
    model: "",
    version: "",
  } as const;
  const instant = (at: number): string => formatInstant(asEpochMicros(Math.round(at)));
  const [from, stop] = [instant(since), stopAt === undefined ? undefined : instant(stopAt)];
  const what = `${environment}: ${id} of ${team} used ${used} since ${from}`;
  return {
    ...of,
    key: alertKey(of, "idle"),
    condition: "firing",
    summary:
      stop === undefined
        ? `${what}; nobody stops it`
        : `${what}; it is stopped at ${stop} unless it works again, or: portolan job keep ${id} --for 4h --reason …`,
    evidence: { team, used, since: from, ...(stop === undefined ? {} : { stopAt: stop }) },
  };
}
