import { type CallContext, type Environment, PortolanError, requireSeen } from "@portolan/kernel";
import type { RegistryErrorCode } from "../errors.ts";
import { promoteVersion, readPromoted } from "../promote-version.ts";
import { aliasProblem, environmentOfAlias } from "./meanings.ts";
import { deleteAlias, listAliases, putAlias } from "./names-store.ts";
import {
  invalid,
  missingModel,
  type NameDeps,
  type NotedVersion,
  readModelName,
  readNotedVersion,
} from "./registered-models.ts";

interface Labelled {
  readonly model: string;
  readonly alias: string;
}

/**
 * Asks for a promotion, by the gates and rights of all promotions.
 *
 * @throws PortolanError `registry.promotion_blocked` with every gate that stands against it, and what `promoteVersion` throws
 */
export async function promoteOrRefuse(
  deps: NameDeps,
  call: CallContext,
  request: { readonly model: string; readonly version: number; readonly to: Environment },
): Promise<NotedVersion> {
  const verdict = await promoteVersion(deps, call, request);
  if (verdict.kind === "promoted") return readNotedVersion(deps, call, request.model, request.version);
  const reasons = verdict.failures.map(
    ({ gate, observed, required }) => `${gate}: ${observed}, required ${required}`,
  );
  throw new PortolanError<RegistryErrorCode>("registry.promotion_blocked", {
    detail: `gates stand against ${request.to}: ${reasons.join("; ")}`,
    mend: "Evaluate the version, promote it to staging first, or train a better one.",
  });
}

/**
 * Points an alias at a version: one that says what is served is a promotion, any other a plain label, for who may promote in dev.
 *
 * @throws PortolanError `registry.not_registrable` for no alias, and as `promoteOrRefuse` does
 */
export async function setAlias(
  deps: NameDeps,
  call: CallContext,
  { model, alias, version }: Labelled & { readonly version: number },
): Promise<void> {
  const problem = aliasProblem(alias);
  if (problem !== undefined) throw invalid(`${JSON.stringify(alias.slice(0, 80))} is no alias: ${problem}`);
  const to = environmentOfAlias(alias);
  if (to !== undefined) return void (await promoteOrRefuse(deps, call, { model, version, to }));
  const { version: found } = await readNotedVersion(deps, call, model, version);
  await requireLabeller(deps, call, model, found.useCaseId);
  await deps.work.write(call, async (tx) => {
    const { organisationId, id } = call.actor;
    const row = { organisation_id: organisationId, model, alias, version, set_by: id, set_at: tx.now };
    await putAlias(tx.sql, row);
    await tx.record({ event: "registry.alias.set", subject: found.id, detail: { model, alias, version } });
  });
}

/** Takes a label away. A promotion is not taken back so. @throws PortolanError `registry.not_registrable` */
export async function removeAlias(
  deps: NameDeps,
  call: CallContext,
  { model, alias }: Labelled,
): Promise<void> {
  if (environmentOfAlias(alias) !== undefined)
    throw invalid(
      `${alias} says what is promoted, and a promotion is not taken back`,
      "Promote another version, or halt the endpoint.",
    );
  const { row } = await readModelName(deps, call, model);
  await requireLabeller(deps, call, model, row.use_case_id ?? undefined);
  await deps.work.write(call, async (tx) => {
    await deleteAlias(tx.sql, call.actor.organisationId, model, alias);
    await tx.record({ event: "registry.alias.removed", subject: model, detail: { alias } });
  });
}

/** @throws PortolanError `registry.alias_not_found` */
export async function readAlias(
  deps: NameDeps,
  call: CallContext,
  { model, alias }: Labelled,
): Promise<NotedVersion> {
  await readModelName(deps, call, model);
  const to = environmentOfAlias(alias);
  const number =
    to === undefined
      ? await deps.work.read(call, async (sql) => {
          const labels = await listAliases(sql, call.actor.organisationId, model);
          return labels.find((label) => label.alias === alias)?.version;
        })
      : (await readPromoted(deps, call, model, to))?.version;
  if (number === undefined)
    throw new PortolanError<RegistryErrorCode>("registry.alias_not_found", {
      detail: `no version of ${model} has the alias ${JSON.stringify(alias.slice(0, 80))}`,
    });
  return readNotedVersion(deps, call, model, number);
}

async function requireLabeller(
  deps: NameDeps,
  call: CallContext,
  model: string,
  useCaseId: string | undefined,
): Promise<void> {
  const { organisationId } = call.actor;
  const place = {
    type: "Model",
    id: model,
    organisationId,
    ...(useCaseId === undefined ? {} : { useCaseId }),
  };
  const resource = { ...place, environment: "dev" as const };
  await requireSeen(deps.authorizer, call, { action: "registry:promote", resource }, () =>
    missingModel(model),
  );
}
