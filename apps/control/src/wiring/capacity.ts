import {
  type ApprovalSizes,
  type CapacityRouteDeps,
  createAdmissionQueue,
  noticedWork,
  type QuotaDeps,
} from "@portolan/capacity";
import type { AdmissionQueue } from "@portolan/capacity/contract";
import { type CharterDeps, inForceCharter, termsOf } from "@portolan/charter";
import type { DirectoryLookups } from "@portolan/identity";
import type { Id } from "@portolan/kernel";
import type { IdleWork } from "@portolan/monitoring";
import { assumedOfScoring } from "@portolan/scoring";
import { type CardsOfMachine, cardsOfMachine } from "../machine/cards-at-work.ts";
import { prometheusCards } from "../machine/prometheus-cards.ts";
import { trainerLimits } from "./data.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface CapacityWiring extends CapacityRouteDeps {
  readonly admission: AdmissionQueue;
  readonly idle: IdleWork;
  /** What the machine's own program says of its graphics cards. */
  readonly cards: CardsOfMachine;
}

/** Who may have how much of the cluster, and the queue of those who wait for it. */
export function wireCapacity(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  charter: CharterDeps,
): CapacityWiring {
  const { work, jobs, clock } = base;
  const cards = cardsOfMachine();
  const series = cardSeries(base);
  const wake: QuotaDeps["wake"] = (tx, ids) => jobs.wake(tx, ids);
  const shared = {
    work,
    clock,
    wake,
    cards: { busiest: () => (series ?? cards)()?.atWork },
    teams: teamNames(directory),
    approvals: approvalSizes(charter),
  };
  const admission = createAdmissionQueue(shared);
  return {
    quotas: { work, authorizer, tenants: quotaTenants(directory), wake },
    queue: {
      ...shared,
      authorizer,
      admission,
      cancel: (tx, job) => jobs.cancel(tx, job),
      assumed: {
        training: { cpu: trainerLimits.threads, memoryBytes: trainerLimits.memoryLimitBytes },
        scoring: assumedOfScoring,
      },
    },
    admission,
    cards,
    idle: {
      noticed: (call) => work.read(call, (sql) => noticedWork(sql, call.actor.organisationId)),
    },
  };
}

/** A charter in force counts in each environment. */
function approvalSizes(charter: CharterDeps): ApprovalSizes {
  return {
    ofUseCase: async (call, useCaseId) => {
      const found = await inForceCharter(charter, call, { useCaseId });
      return found && termsOf(found.charter).approvalAbove;
    },
  };
}

/** The directory finds by id too; a file of quotas names. */
function quotaTenants(directory: DirectoryLookups): QuotaDeps["tenants"] {
  return {
    hasBusinessUnit: async (organisationId, name) =>
      (await directory.tenant(organisationId as Id<"organisation">, "businessUnit", name))?.businessUnit ===
      name,
    unitOfTeam: async (organisationId, name) => {
      const found = await directory.tenant(organisationId as Id<"organisation">, "team", name);
      return found?.team === name ? found.businessUnit : undefined;
    },
  };
}

function teamNames(directory: DirectoryLookups) {
  return {
    ofUseCase: async (organisationId: string, useCaseId: string) => {
      const found = await directory.findUseCase(organisationId as Id<"organisation">, useCaseId);
      return found && `${found.businessUnit}/${found.team}`;
    },
    placeOf: async (organisationId: string, team: string) => {
      const name = team.split("/")[1] ?? "";
      const found = await directory.tenant(organisationId as Id<"organisation">, "team", name);
      return found && { businessUnitId: found.businessUnitId, teamId: found.teamId };
    },
  };
}

/** What the operator's Prometheus says of cards; undefined where none is named. */
function cardSeries({ config, log }: Foundation): CardsOfMachine | undefined {
  const { CARD_METRICS_URL: url, CARD_METRICS_SELECTOR: selector, CARD_METRICS_TOKEN: token } = config;
  if (url === undefined) return undefined;
  const labels = selector === undefined ? {} : { selector };
  return prometheusCards({ url, ...labels, ...(token ? { token } : {}) }, log);
}
