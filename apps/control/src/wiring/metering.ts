import { type CharterDeps, inForceCharter, listInForce } from "@portolan/charter";
import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import type { DirectoryLookups } from "@portolan/identity";
import { messageOf, newId, systemActor } from "@portolan/kernel";
import {
  type BudgetDeps,
  type BudgetTerms,
  judgeBudgets,
  judgeWeeks,
  type MeteringDeps,
  meterOwn,
  spendingFindings,
  type Tenants,
} from "@portolan/metering";
import type { Spending } from "@portolan/monitoring";
import { usagePrices } from "@portolan/planner";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface MeteringWiring {
  readonly metering: MeteringDeps;
  /** What people are told of money and usage. */
  readonly spending: Spending;
  /** One round over every organisation: what control itself did since the last one. */
  meter(): Promise<void>;
}

/** What was used, by whom, and whether budgets last. */
export function wireMetering(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  charter: CharterDeps,
): MeteringWiring {
  const budgets = budgetDeps(base, charter);
  return {
    metering: { ...budgets, authorizer, tenants: tenantsOf(directory) },
    spending: {
      facts: async (call) => {
        const { budgets: money, unjudged } = await judgeBudgets(budgets, call);
        return spendingFindings(money, await judgeWeeks(budgets, call), unjudged);
      },
    },
    meter: async () => {
      const deps = { work: base.work, clock: base.clock, tenants: tenantsOf(directory) };
      for (const organisationId of await directory.organisations()) {
        const call = {
          actor: systemActor("control", organisationId),
          requestId: newId("request", base.clock.now()),
        };
        // One organisation's trouble is not the others'.
        await meterOwn(deps, call).catch((error: unknown) => {
          base.log.error({ organisationId, error: messageOf(error) }, "metering.round_failed");
        });
      }
    },
  };
}

/** Ceilings of charters in force, at the prices that plans rest on. */
export function budgetDeps({ work, clock, prices }: Foundation, charter: CharterDeps): BudgetDeps {
  const termsIn = (useCaseId: string, document: CharterDocument): BudgetTerms => {
    const { costCeilingPerMonth: ceiling, beyondCostCeiling } = termsOf(document);
    return {
      useCaseId,
      useCase: document.useCase.name,
      ceiling,
      beyond: beyondCostCeiling === "hold_new_work" ? "hold" : "alert",
      prices: usagePrices(document, prices, clock.now()),
    };
  };
  return {
    work,
    clock,
    charters: {
      all: async (call) => {
        const { organisationId } = call.actor;
        const found = await work.read(call, (sql) => listInForce(sql, organisationId));
        return found.map(({ summary, document }) => termsIn(summary.useCaseId, document));
      },
      of: async (call, useCaseId) => {
        const found = await inForceCharter(charter, call, { useCaseId });
        return found && termsIn(useCaseId, found.charter);
      },
    },
  };
}

/** Tenants as the directory knows them. */
export function tenantsOf(directory: DirectoryLookups): Tenants {
  return {
    useCase: (organisationId, idOrName) => directory.tenant(organisationId, "useCase", idOrName),
    team: (organisationId, idOrName) => directory.tenant(organisationId, "team", idOrName),
    businessUnit: (organisationId, idOrName) => directory.tenant(organisationId, "businessUnit", idOrName),
  };
}
