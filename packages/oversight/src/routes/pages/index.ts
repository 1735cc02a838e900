import { type ErrorCatalogue, publicRoute, routeConfig, toProblem } from "@portolan/http-contract";
import { isPortolanError, PortolanError } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Conclusion, type LabelValue, overrideReasons } from "../../contract.ts";
import { concludeReview, type DecideDeps, decideReview, openReview, takeNext } from "../../decide-review.ts";
import { readReview, readReviews } from "../../read-reviews.ts";
import { type Html, page, pageHeaders } from "./html.ts";
import { relevancesFrom } from "./relevances-from.ts";
import { casePage, concludedPage, listPage, nothingPage, problemPage, signInPage } from "./review-pages.ts";
import type { PageSessions } from "./sessions.ts";

const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 60 }) });
type IdParams = Static<typeof IdParams>;
const hidden = { hide: true } as const;

export interface PageDeps extends DecideDeps {
  readonly sessions: PageSessions;
  /** For the words of errors. */
  readonly catalogue: ErrorCatalogue;
}

/** The pages below `/reviews`: made on the server, without a script. */
export async function reviewPages(app: FastifyInstance, deps: PageDeps): Promise<void> {
  app.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string", bodyLimit: 65_536 },
    async (_request: FastifyRequest, body: string | Buffer) =>
      Object.fromEntries(new URLSearchParams(body.toString())),
  );
  app.addHook("preHandler", async (request) => requireOwnForm(deps.sessions, request));
  app.setErrorHandler((error, request, reply) => answerProblem(deps, error, request, reply));
  signingRoutes(app, deps);
  app.get(
    "/reviews",
    { config: routeConfig("reviews:read", "read"), schema: hidden },
    async (request, reply) => {
      const list = await readReviews(deps, request.call, {});
      return send(deps, request, reply, "Reviews", listPage(list, tokenOf(deps, request)));
    },
  );
  caseRoutes(app, deps);
}

function signingRoutes(app: FastifyInstance, deps: PageDeps): void {
  const { sessions } = deps;
  app.get("/reviews/sign-in", { config: publicRoute, schema: hidden }, async (request, reply) =>
    send(deps, request, reply, "Sign in", signInPage()),
  );
  app.post(
    "/reviews/sign-in",
    { config: { action: "public", ledger: "governed" }, schema: hidden },
    async (request, reply) => {
      const opened = await sessions.open(request, fieldOf(request.body, "credential"));
      if (!opened)
        return send(
          deps,
          request,
          reply.code(401),
          "Sign in",
          signInPage("This token or key is not accepted."),
        );
      await deps.work.write(opened.call, (tx) =>
        tx.record({ event: "oversight.session.opened", subject: opened.call.actor.id }),
      );
      void reply.header("set-cookie", opened.cookie);
      const list = await readReviews(deps, opened.call, {});
      const who = { name: opened.call.actor.id, token: opened.token };
      return reply.headers(pageHeaders).send(page("Reviews", listPage(list, who.token), who));
    },
  );
  app.post(
    "/reviews/sign-out",
    { config: routeConfig("identity:whoami", "governed"), schema: hidden },
    async (request, reply) => {
      await deps.work.write(request.call, (tx) =>
        tx.record({ event: "oversight.session.closed", subject: request.call.actor.id }),
      );
      void reply.header("set-cookie", sessions.close(request));
      return reply.headers(pageHeaders).send(page("Signed out", signInPage()));
    },
  );
}

function caseRoutes(app: FastifyInstance, deps: PageDeps): void {
  const config = routeConfig("reviews:decide", "governed");
  app.post("/reviews/next", { config, schema: hidden }, async (request, reply) => {
    const taken = await takeNext(deps, request.call, {});
    if (!taken) return send(deps, request, reply, "Reviews", nothingPage());
    const title = `Review of ${taken.review.endpoint}`;
    return send(deps, request, reply, title, casePage(taken, tokenOf(deps, request)));
  });
  app.post<{ Params: IdParams }>(
    "/reviews/:id/reads",
    { config, schema: { ...hidden, params: IdParams } },
    async (request, reply) => {
      const shown = await openReview(deps, request.call, request.params.id);
      const title = `Review of ${shown.review.endpoint}`;
      return send(deps, request, reply, title, casePage(shown, tokenOf(deps, request)));
    },
  );
  app.post<{ Params: IdParams }>(
    "/reviews/:id/decision",
    { config, schema: { ...hidden, params: IdParams } },
    async (request, reply) => {
      const { id } = request.params;
      const value = await decisionFrom(deps, request, id);
      const shown = await decideReview(deps, request.call, id, value);
      const title = `Review of ${shown.review.endpoint}`;
      return send(deps, request, reply, title, casePage(shown, tokenOf(deps, request)));
    },
  );
  app.post<{ Params: IdParams }>(
    "/reviews/:id/conclusion",
    { config, schema: { ...hidden, params: IdParams } },
    async (request, reply) => {
      const { id } = request.params;
      const concluded = await concludeReview(deps, request.call, id, await conclusionFrom(deps, request, id));
      return send(deps, request, reply, "Concluded", concludedPage(concluded, tokenOf(deps, request)));
    },
  );
}

async function conclusionFrom(deps: PageDeps, request: FastifyRequest, id: string): Promise<Conclusion> {
  const comment = fieldOf(request.body, "comment");
  const reason = overrideReasons.find((one) => one === fieldOf(request.body, "reason"));
  const words = comment === "" ? {} : { comment };
  if (fieldOf(request.body, "keep") === "model")
    return { value: await labelFrom(deps, request, id, fieldOf(request.body, "model")), ...words };
  return { ...(reason === undefined ? {} : { reason }), ...words };
}

async function decisionFrom(deps: PageDeps, request: FastifyRequest, id: string): Promise<LabelValue> {
  const { task, rows = 0 } = await readReview(deps, request.call, id);
  return task === "ranking"
    ? relevancesFrom(rows, (name) => fieldOf(request.body, name))
    : labelFrom(deps, request, id, fieldOf(request.body, "value"));
}

/** The text of a form as a label of the review's task. */
async function labelFrom(
  deps: PageDeps,
  request: FastifyRequest,
  id: string,
  text: string,
): Promise<LabelValue> {
  const { task } = await readReview(deps, request.call, id);
  if (task === "binary_classification" && (text === "true" || text === "false")) return text === "true";
  return task === "regression" && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function fieldOf(body: unknown, name: string): string {
  const value: unknown = typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
  return typeof value === "string" ? value : "";
}

/** A form of somebody signed in by cookie must carry the session's token; whoever sends a credential with the request needs none. */
async function requireOwnForm(sessions: PageSessions, request: FastifyRequest): Promise<void> {
  const token = sessions.tokenOf(request);
  const isSignIn = request.routeOptions.url === "/reviews/sign-in";
  if (request.method === "GET" || token === undefined || isSignIn) return;
  if (fieldOf(request.body, "token") === token) return;
  throw new PortolanError("kernel.bad_request", {
    detail: "the form is not of this session",
    mend: "Open the list of reviews, and go on from there.",
  });
}

function tokenOf({ sessions }: PageDeps, request: FastifyRequest): string {
  return sessions.tokenOf(request) ?? "";
}

function send(
  { sessions }: PageDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  title: string,
  body: Html,
): FastifyReply {
  const token = sessions.tokenOf(request);
  const who = token === undefined ? undefined : { name: sessions.nameOf(request) ?? "", token };
  return reply.headers(pageHeaders).send(page(title, body, who));
}

function answerProblem(
  deps: PageDeps,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = toProblem(error, deps.catalogue, request.id);
  // Faults, and what the server refuses by itself, are answered and logged as everywhere else.
  if (!isPortolanError(error) || problem.status >= 500) throw error;
  // Whoever is not signed in is asked to be, wherever they came in.
  if (problem.code === "identity.unauthenticated")
    return send(deps, request, reply.code(401), "Sign in", signInPage());
  const id: unknown = Reflect.get(Object(request.params), "id");
  const token = deps.sessions.tokenOf(request);
  const back =
    typeof id === "string" && token !== undefined && problem.status !== 404 ? { id, token } : undefined;
  const detail = problem.detail ?? problem.title;
  return send(
    deps,
    request,
    reply.code(problem.status),
    problem.title,
    problemPage(detail, problem.mend, back),
  );
}
