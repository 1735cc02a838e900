import type { Environment, Sql } from "@portolan/kernel";
import { openWorkloads } from "../workload-store.ts";
import { useText } from "./held.ts";

/** Work that was told to be idle, for alerts; times in epoch microseconds. */
export interface NoticedWork {
  readonly id: string;
  readonly environment: Environment;
  readonly useCaseId: string | null;
  readonly team: string;
  readonly used: string;
  readonly since: number;
  readonly stopAt?: number;
}

/** All of an organisation that a notice stands of. */
export async function noticedWork(sql: Sql, organisationId: string): Promise<readonly NoticedWork[]> {
  const open = await openWorkloads(sql, organisationId);
  return open.flatMap(({ id, environment, useCaseId = null, team = "", state, idle }) => {
    const notice = state === "running" ? idle?.notice : undefined;
    if (!notice) return [];
    const { since, stopAt, use, held } = notice;
    return [
      {
        id,
        environment: environment as Environment,
        useCaseId,
        team,
        used: useText(use, held),
        since,
        ...(stopAt === undefined ? {} : { stopAt }),
      },
    ];
  });
}
