import { listenAtSocket } from "@portolan/http-contract";
import {
  type Authorizer,
  asPlace,
  type Clock,
  createLogger,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { aCall } from "@portolan/testkit";
import {
  beginAttempt,
  createAddressSigner,
  PointWriter,
  registerMlflowRoutes,
  settleRun,
  trackingErrors,
  verifyRunToken,
} from "@portolan/tracking";
import Fastify from "fastify";
import { trainingErrors } from "../src/errors.ts";
import type { RunTracking } from "../src/ports.ts";
import { noSuchRun, readTrainingRun } from "../src/training-runs.ts";

const refuseFiles = () =>
  Promise.reject(new PortolanError("kernel.internal", { detail: "these tests log no files" }));
const withoutFiles = {
  objects: {
    put: refuseFiles,
    putStream: refuseFiles,
    putFile: refuseFiles,
    has: refuseFiles,
    get: refuseFiles,
    localPath: refuseFiles,
    remove: refuseFiles,
  },
  artifacts: { note: refuseFiles, require: refuseFiles },
  rows: { release: refuseFiles, areRows: refuseFiles },
  addresses: createAddressSigner(),
  isActive: refuseFiles,
};

/** The real tracking calls at the real socket, for tests without control: callers are known by their run's token, and are engineers. */
export function openRunTracking(deps: {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
}): RunTracking & { close(): Promise<void> } {
  const { uow: work, authorizer, clock } = deps;
  const app = Fastify();
  app.decorateRequest("call");
  app.addHook("onRequest", async (request) => {
    const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
    const grant = await verifyRunToken({ work, clock }, token);
    if ("reason" in grant) throw new PortolanError("tracking.run_not_open", { detail: grant.reason });
    request.call = aCall({ roles: ["engineer"], id: grant.principalId });
  });
  const log = createLogger({ name: "tracking", level: "silent" });
  void registerMlflowRoutes(app, {
    work,
    authorizer,
    log,
    catalogue: { ...trackingErrors, ...trainingErrors },
    recordBatch: recordBatchDigest,
    ...withoutFiles,
    clock,
    recordRefusal: () => undefined,
    points: new PointWriter({ work, recordBatch: recordBatchDigest, log }),
    runs: {
      find: async (call, id) => {
        const { request, ...run } = await readTrainingRun(deps, call, id);
        return { ...run, origin: "trainer", ...asPlace(request) };
      },
      missing: noSuchRun,
    },
    useCases: { find: () => Promise.resolve(undefined), list: () => Promise.resolve([]) },
  });
  return {
    open: async (call, attempt, socket) => {
      await app.ready();
      const { token, end } = await beginAttempt({ work, clock }, call, attempt);
      const listener = await listenAtSocket(socket, (request, response) => app.routing(request, response), 4);
      return { token, close: () => listener.close().then(end) };
    },
    settle: settleRun,
    close: () => app.close(),
  };
}
