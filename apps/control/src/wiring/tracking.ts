import { type ErrorCatalogue, listenAtSocket } from "@portolan/http-contract";
import { type RunTokens, registerAuthentication } from "@portolan/identity";
import { parseId } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { mlflowRegistryRoutes, type RegistryDeps } from "@portolan/registry";
import {
  beginAttempt,
  createAddressSigner,
  type MlflowRouteDeps,
  PointWriter,
  readModelSource,
  registerMlflowRoutes,
  runOfToken,
  settleRun,
  type TrackedRun,
  verifyRunToken,
} from "@portolan/tracking";
import { noSuchRun, type RunTracking, readTrainingRun } from "@portolan/training";
import { createServer } from "../http/server.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

/** Answers that one trainer waits for at once: control has others to answer. */
const mostAwaited = 4;

/** Tokens of trainers, for whoever authenticates callers. */
export function runTokensOf({ work, clock }: Pick<Foundation, "work" | "clock">): RunTokens {
  return {
    claims: (credential) => runOfToken(credential) !== undefined,
    verify: (credential) => verifyRunToken({ work, clock }, credential),
  };
}

/** What the tracking routes stand on; runs are read with the rights of whoever asks. */
export function wireTracking(
  base: Foundation,
  identity: IdentityWiring,
  catalogue: ErrorCatalogue,
  { artifacts, rows }: Pick<RegistryDeps, "artifacts" | "rows">,
): MlflowRouteDeps {
  const { work, log, objects, clock } = base;
  const { authorizer, directory, onDenied } = identity;
  return {
    work,
    authorizer,
    log,
    catalogue,
    objects,
    artifacts,
    rows,
    clock,
    addresses: createAddressSigner(),
    isActive: (actor) => directory.isActive(actor),
    recordBatch: recordBatchDigest,
    recordRefusal: async ({ actor, requestId }, refused) =>
      onDenied({
        kind: "forbidden",
        requestId,
        principalId: actor.id,
        organisationId: actor.organisationId,
        ...refused,
      }),
    points: new PointWriter({ work, recordBatch: recordBatchDigest, log }),
    runs: {
      find: async (call, runId) => trackedRun(await readTrainingRun({ uow: work, authorizer }, call, runId)),
      missing: noSuchRun,
    },
    useCases: {
      find: async (organisationId, idOrName) => {
        const id = parseId("organisation", organisationId);
        return id && directory.useCaseName(id, idOrName);
      },
      list: async (organisationId) => {
        const id = parseId("organisation", organisationId);
        return id ? directory.useCases(id) : [];
      },
    },
  };
}

/** MLflow's calls of its registry, over ours; trainers do not reach them. */
export function mlflowRegistry(
  registry: RegistryDeps,
  tracking: MlflowRouteDeps,
): NonNullable<MlflowRouteDeps["others"]> {
  return (app) =>
    mlflowRegistryRoutes(app, {
      ...registry,
      useCases: tracking.useCases,
      loggedModels: { find: (call, id) => readModelSource(tracking, call, id) },
    });
}

function trackedRun(run: Awaited<ReturnType<typeof readTrainingRun>>): TrackedRun {
  const { id, environment, state, startedBy, startedAt, finishedAt, request } = run;
  return {
    id,
    origin: "trainer",
    environment,
    state,
    startedBy,
    startedAt,
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(request.useCaseId === undefined ? {} : { useCaseId: request.useCaseId }),
  };
}

/**
 * Takes trainers' calls at a socket in the folder of each run. Behind it stands a server that has the tracking calls and nothing else of
 * control, so that what a trainer reaches is a matter of what is registered there, not of a filter on paths.
 */
export async function createRunTracking(
  base: Foundation,
  identity: IdentityWiring,
  deps: MlflowRouteDeps,
): Promise<{ readonly tracking: RunTracking; close(): Promise<void> }> {
  const { work, clock, log } = base;
  const { authenticator, authorizer, onDenied } = identity;
  const app = await createServer({ catalogue: deps.catalogue, log, clock, describes: false });
  registerAuthentication(app, { authenticator, authorizer, clock, onDenied });
  await registerMlflowRoutes(app, deps);
  await app.ready();
  const tracking: RunTracking = {
    open: async (call, attempt, socket) => {
      const { token, end } = await beginAttempt({ work, clock }, call, attempt);
      try {
        const listener = await listenAtSocket(
          socket,
          (request, response) => app.routing(request, response),
          mostAwaited,
        );
        return {
          token,
          close: async () => {
            try {
              await listener.close();
            } finally {
              await end();
            }
          },
        };
      } catch (error) {
        await end();
        throw error;
      }
    },
    settle: settleRun,
  };
  return { tracking, close: () => app.close() };
}
