import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { problemContentType, toProblem } from "@portolan/http-contract";
import {
  type Environment,
  environments,
  isPortolanError,
  PortolanError,
  readAddressRules,
} from "@portolan/kernel";
import { fakeClock, openTestDatabase } from "@portolan/testkit";
import Fastify from "fastify";
import {
  createAccessEpoch,
  createAuthenticator,
  createAuthorizer,
  createDevelopmentIssuer,
  createFileKeyRing,
  createIssuerKeyStore,
  createIssuerKeys,
  createJwksFetcher,
  type Denial,
  identityErrors,
  identityMigrations,
  openLocalCredential,
  registerAuthentication,
  registerIdentityRoutes,
} from "../src/index.ts";

/** A whole installation in one process: database, key files, issuer, authorizer and routes as control wires them. */
export async function openInstallation(start = "2026-03-02T09:00:00Z") {
  const clock = fakeClock(start);
  const home = await mkdtemp(join(tmpdir(), "identity-test-"));
  const database = await openTestDatabase({ migrations: [identityMigrations], clock });
  const denials: Denial[] = [];
  const onDenied = (denial: Denial): void => void denials.push(denial);
  const { uow: unitOfWork } = database;
  const localCredential = await openLocalCredential(home);
  const keyRing = createFileKeyRing({ directory: join(home, "keys"), unitOfWork, clock });
  const issuer = { unitOfWork, clock, keyRing, localCredential, issuer: "http://127.0.0.1:7400", onDenied };
  const addresses = readAddressRules(undefined, true);
  const issuerKeys = createIssuerKeys(
    clock,
    createJwksFetcher(addresses),
    createIssuerKeyStore(unitOfWork, clock),
  );
  const developmentIssuer = createDevelopmentIssuer({ ...issuer, enabled: true });
  const accessEpoch = createAccessEpoch(database.sql, clock);
  const authorizer = createAuthorizer({ unitOfWork, onDenied, accessEpoch });
  const authenticator = createAuthenticator({
    unitOfWork,
    clock,
    developmentIssuer,
    issuerKeys,
    accessEpoch,
  });
  const app = Fastify();
  app.setErrorHandler((error, request, reply) => {
    const known =
      isPortolanError(error) || !(error instanceof Error) || !("validation" in error)
        ? error
        : new PortolanError("kernel.bad_request");
    const problem = toProblem(known, identityErrors, request.id);
    if (problem.status === 500) throw error;
    return reply.code(problem.status).type(problemContentType).send(problem);
  });
  registerAuthentication(app, { authenticator, authorizer, clock, onDenied });
  await registerIdentityRoutes(app, {
    unitOfWork,
    authorizer,
    clock,
    localCredential,
    keyRing,
    developmentIssuer,
    addresses,
    issuerKeys,
    onDenied,
  });
  const secret = localCredential.reveal();

  async function token(principal: string, reach: readonly Environment[] = environments, more: object = {}) {
    const payload = { secret, principal, environments: reach, ...more };
    const response = await app.inject({ method: "POST", url: "/v1/dev/token", payload });
    return response.json<{ token: string; principalId: string }>();
  }

  return {
    app,
    home,
    clock,
    database,
    denials,
    keyRing,
    authorizer,
    authenticator,
    developmentIssuer,
    issuer,
    issuerKeys,
    secret,
    token,
    /** Calls a route with a bearer credential. */
    async call(method: "GET" | "POST" | "PUT" | "DELETE", url: string, credential: string, payload?: object) {
      const response = await app.inject({
        method,
        url,
        headers: { authorization: `Bearer ${credential}` },
        ...(payload === undefined ? {} : { payload }),
      });
      return {
        status: response.statusCode,
        headers: response.headers,
        body: (response.body === "" ? {} : response.json()) as { items: never[] },
      };
    },
    async ledgerEvents(): Promise<{ class: string; event: string; actor: string }[]> {
      const rows = await database.database.session((session) =>
        session.query("select * from ledger.rows order by 1"),
      );
      return rows as never;
    },
    async close(): Promise<void> {
      await app.close();
      await database.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

export type Installation = Awaited<ReturnType<typeof openInstallation>>;

export async function bootstrapped(installation: Installation) {
  const response = await installation.app.inject({
    method: "POST",
    url: "/v1/bootstrap",
    payload: {
      secret: installation.secret,
      organisation: { name: "acme", displayName: "Acme" },
      administrator: { name: "ada", displayName: "Ada", email: "ada@acme.example" },
    },
  });
  return response;
}
