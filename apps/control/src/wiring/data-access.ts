import { join } from "node:path";
import { type AccessDeps, datasetRows, type PseudonymKeys } from "@portolan/data";
import type { DerivedRows } from "@portolan/data/contract";
import { featureRows } from "@portolan/features";
import { scoredRows } from "@portolan/scoring";
import { pseudonymKey } from "../pseudonym-key.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

/** A dataset, or a training set: what can be scored, also after its time is over. */
export const scorableRows: DerivedRows["find"] = async (sql, organisationId, id) =>
  (await datasetRows(sql, organisationId, id, { expired: true })) ??
  featureRows.find(sql, organisationId, id);

export interface DataAccess extends AccessDeps {
  readonly pseudonyms: PseudonymKeys;
}

/** Whom policies on data are about, what their pseudonyms are made under, and all rows that are made of datasets. */
export function wireDataAccess(base: Foundation, { authorizer, directory }: IdentityWiring): DataAccess {
  const { work: uow, clock, config } = base;
  return {
    uow,
    authorizer,
    clock,
    roles: {
      heldAmong: async ({ actor }, roles, at) => {
        const { organisationId } = actor;
        const useCase =
          at.useCaseId === undefined ? undefined : await directory.findUseCase(organisationId, at.useCaseId);
        const scopes = [organisationId, useCase?.businessUnitId, at.teamId ?? useCase?.teamId, at.useCaseId];
        const named = scopes.filter((scope) => scope !== undefined);
        const held = await directory.rolesAt(organisationId, actor.id, at.environment, named);
        return roles.filter((role) => held.includes(role));
      },
    },
    derived: [featureRows, scoredRows(scorableRows)],
    pseudonyms: {
      keyOf: (organisationId) => pseudonymKey(join(config.PORTOLAN_HOME, "keys", "access"), organisationId),
    },
  };
}
