import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import {
  type Authorizer,
  type CallContext,
  type Clock,
  digestJson,
  newId,
  ownerOf,
  type PlaceDirectory,
  PortolanError,
  parseDigest,
  type ResourceRef,
  type UnitOfWork,
  type WorkPlace,
} from "@portolan/kernel";
import type { SourceLines } from "@portolan/yaml-source";
import type { Measurements } from "./assumptions.ts";
import { parseAssumptions } from "./costs/changed-assumptions.ts";
import type { ReadinessFacts } from "./gaps.ts";
import { planCharter } from "./plan-charter.ts";
import { planJson } from "./plan-json.ts";
import type { CharterSource, PlannedCharter } from "./ports.ts";
import { mergePriceBooks, type PriceBook, parsePriceFile } from "./price-book.ts";
import { findPlan, insertPlan, type StoredPlan } from "./store.ts";

export interface PlannerDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly charters: CharterSource;
  readonly places: PlaceDirectory;
  /** The shipped prices (`readShippedPrices`), with the installation's own merged in. */
  readonly prices: PriceBook;
}

export interface PlanRequest {
  /** A submitted version, or the text of a file that was not submitted yet. */
  readonly charter: { readonly charterId: string } | { readonly source: string; readonly file?: string };
  readonly measurements?: Measurements;
  readonly facts?: ReadinessFacts;
  /** `name=value` or `name=low..expected..high` each. */
  readonly assume?: readonly string[];
  /** Text of a price file; its records win over the shipped ones. */
  readonly prices?: string;
}

/** Plans a charter and keeps the plan, so that plan and actual can be compared. */
export async function makePlan(
  deps: PlannerDeps,
  call: CallContext,
  request: PlanRequest,
): Promise<StoredPlan> {
  const subject = await readSubject(deps, call, request.charter);
  // A text may name no registered use case: it takes the right to plan anywhere, which the route has asked for.
  const owner = subject.stored ? {} : await placeOfText(deps, call, subject.document);
  if (subject.stored) await deps.authorizer.require(call, "plan:create", planResource(call, subject.stored));
  const book =
    request.prices === undefined
      ? deps.prices
      : mergePriceBooks([deps.prices, parsePriceFile(request.prices, "prices")]);
  const plan = planJson(
    planCharter(subject.document, book, {
      now: deps.clock.now(),
      lines: subject.lines,
      changed: parseAssumptions(request.assume ?? []),
      ...(request.measurements ? { measurements: request.measurements } : {}),
      // Who has signed is the server's knowledge, not the caller's claim.
      facts: { ...request.facts, signedRoles: subject.stored?.signedRoles ?? [] },
    }),
  );
  return deps.uow.write(call, async (tx) => {
    const { stored } = subject;
    const row: StoredPlan = {
      id: newId("plan", tx.now),
      organisationId: call.actor.organisationId,
      ...(stored
        ? {
            charterId: stored.charterId,
            useCaseId: stored.useCaseId,
            businessUnitId: stored.businessUnitId,
            teamId: stored.teamId,
          }
        : {}),
      ...owner,
      charterDigest: subject.digest,
      plan,
      planDigest: digestJson(plan),
      createdAt: tx.now,
      createdBy: call.actor.id,
    };
    await insertPlan(tx.sql, row);
    const before = parseDigest(row.charterDigest);
    const after = parseDigest(row.planDigest);
    await tx.record({
      event: "planner.plan.made",
      subject: row.id,
      ...(before ? { before } : {}),
      ...(after ? { after } : {}),
      detail: { useCase: plan.useCase, budget: plan.budget.kind },
    });
    return row;
  });
}

/** The use case or team that a text names, when the caller may plan there: then the team's people read the plan. */
async function placeOfText(
  deps: PlannerDeps,
  call: CallContext,
  document: CharterDocument,
): Promise<WorkPlace> {
  const { organisationId } = call.actor;
  const { name, team } = document.useCase;
  for (const named of [{ useCaseId: name }, { teamId: team }]) {
    const place = await deps.places.find(organisationId, named);
    if (!place) continue;
    const owner = ownerOf(place);
    if ((await deps.authorizer.decide(call, "plan:create", planResource(call, owner))).allowed) return owner;
  }
  return {};
}

export async function readPlan(deps: PlannerDeps, call: CallContext, planId: string): Promise<StoredPlan> {
  const found = await deps.uow.read(call, (sql) => findPlan(sql, call.actor.organisationId, planId));
  if (!found) throw new PortolanError("kernel.not_found");
  await deps.authorizer.require(call, "plan:read", planResource(call, found));
  return found;
}

interface Subject {
  readonly document: CharterDocument;
  readonly digest: string;
  readonly lines: SourceLines;
  readonly stored?: PlannedCharter;
}

async function readSubject(
  deps: PlannerDeps,
  call: CallContext,
  charter: PlanRequest["charter"],
): Promise<Subject> {
  if ("source" in charter) return requireValid(parseCharter(charter.source, charter.file));
  const stored = await deps.charters.read(call, charter.charterId);
  return { document: stored.document, digest: stored.digest, lines: stored.lines, stored };
}

function planResource(
  call: CallContext,
  of: {
    readonly id?: string;
    readonly useCaseId?: string;
    readonly businessUnitId?: string;
    readonly teamId?: string;
  },
): ResourceRef {
  return {
    type: "Plan",
    organisationId: call.actor.organisationId,
    ...(of.id === undefined ? {} : { id: of.id }),
    ...(of.useCaseId === undefined ? {} : { useCaseId: of.useCaseId }),
    ...(of.businessUnitId === undefined ? {} : { businessUnitId: of.businessUnitId }),
    ...(of.teamId === undefined ? {} : { teamId: of.teamId }),
  };
}
