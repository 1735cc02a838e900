import { access } from "node:fs/promises";
import { routeConfig } from "@portolan/http-contract";
import { type Authorizer, type Clock, formatInstant, PortolanError, type UnitOfWork } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { backupFolder, backupName, backupQueue, listBackups } from "../backup/backups.ts";
import type { Destinations } from "../wiring/destinations.ts";

/** Of a place that a backup goes to; what is left out is as the server is configured. */
const placeName = { minLength: 1, maxLength: 64 };
const BackupRequest = Type.Object({
  name: Type.Optional(
    Type.String({ pattern: backupName, description: "Folder under backups/ of the state folder" }),
  ),
  region: Type.Optional(Type.String({ ...placeName, description: "Region that the backup goes to" })),
  owner: Type.Optional(Type.String({ ...placeName, description: "Who owns that place" })),
});
const Backup = Type.Object({
  name: Type.String(),
  recoveryPoint: Type.String({ description: "The instant whose committed state it holds" }),
  durationMs: Type.Integer(),
  rows: Type.Integer(),
  files: Type.Integer(),
  sizeBytes: Type.Integer(),
  withKeys: Type.Boolean(),
});

export interface BackupRouteDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly home: string;
  readonly destinations: Destinations;
}

/** Online backups into `backups/` of the state folder, on the host that control runs on. */
export async function backupRoutes(app: FastifyInstance, deps: BackupRouteDeps): Promise<void> {
  app.post<{ Body: Static<typeof BackupRequest> }>(
    "/v1/backups",
    {
      config: routeConfig("backup:create", "governed"),
      schema: {
        summary: "Make a backup while everything goes on; a job that takes up after a crash",
        tags: ["backups"],
        body: BackupRequest,
        response: { 202: Type.Object({ job: Type.String(), name: Type.String() }) },
      },
    },
    async (request, reply) => {
      const { call } = request;
      const { organisationId } = call.actor;
      const name = request.body.name ?? nameOf(deps.clock);
      await deps.authorizer.require(call, "backup:create", { type: "Backup", id: name, organisationId });
      await refuseExisting(deps.home, name);
      const place = await deps.destinations.require(
        call,
        { kind: "backup", name, whole: true },
        request.body,
      );
      const job = await deps.work.write(call, async (tx) => {
        await tx.record({ event: "database.backup.requested", subject: name, detail: { ...place } });
        return tx.enqueue({ queue: backupQueue, payload: { name }, key: name });
      });
      return reply.code(202).send({ job, name });
    },
  );
  app.get(
    "/v1/backups",
    {
      config: routeConfig("backup:read", "read"),
      schema: {
        summary: "Complete backups on this host, newest first",
        tags: ["backups"],
        response: { 200: Type.Object({ backups: Type.Array(Backup) }) },
      },
    },
    async (request) => {
      const { organisationId } = request.call.actor;
      await deps.authorizer.require(request.call, "backup:read", { type: "Backup", organisationId });
      return { backups: await listBackups(deps.home) };
    },
  );
}

/** E.g. `backup-20261123-081500`. */
function nameOf(clock: Clock): string {
  return `backup-${formatInstant(clock.now()).slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}`;
}

async function refuseExisting(home: string, name: string): Promise<void> {
  const folder = backupFolder(home, name);
  const exists = await access(folder).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new PortolanError("database.backup_exists", {
    detail: `${folder} exists already`,
    mend: "Give the backup another name.",
  });
}
