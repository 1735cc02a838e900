import { randomBytes } from "node:crypto";
import type { Authenticator, IdentityAuthorizer, OnDenied } from "@portolan/identity";
import { addMicros, type CallContext, type Clock, PortolanError, parseId } from "@portolan/kernel";
import type { PageSessions } from "@portolan/oversight";
import type { FastifyRequest } from "fastify";

interface Session {
  readonly credential: string;
  readonly token: string;
  readonly name: string;
  readonly until: number;
}

/** A working day. */
const lifeMicros = 8 * 3_600_000_000;
const mostSessions = 1000;
const mostCredentialBytes = 16_384;
const cookieName = "portolan_reviews";
const cookiePath = "/reviews";

interface SessionDeps {
  readonly authenticator: Authenticator;
  readonly authorizer: IdentityAuthorizer;
  readonly clock: Clock;
  readonly onDenied: OnDenied;
}

/** Sessions of the pages, and the credential that a request of one stands for. */
export interface Sessions extends PageSessions {
  /**
   * The credential behind a request's cookie; undefined beyond the pages, without a session, and for a request that another site may have caused.
   */
  readonly credentialOf: (request: FastifyRequest) => string | undefined;
}

/**
 * Kept in memory, so that no credential is written anywhere: a restart signs everybody out. The credential is judged anew at each request, so that what is revoked ends the
 * session with it.
 */
export function createPageSessions(deps: SessionDeps): Sessions {
  const sessions = new Map<string, Session>();
  const find = (request: FastifyRequest): Session | undefined => {
    if (request.headers.authorization !== undefined || !isPage(request)) return undefined;
    const session = sessions.get(cookieOf(request) ?? "");
    return session && session.until > deps.clock.now() ? session : undefined;
  };
  return {
    open: async (request, pasted) => {
      const credential = pasted.trim();
      // Another site must not sign somebody in as whom it likes.
      const call = mayBeForeign(request) ? undefined : await authenticate(deps, request, credential);
      if (!call) return undefined;
      sessions.delete(cookieOf(request) ?? "");
      forgetOld(sessions, deps.clock.now());
      const [id, token] = [randomBytes(32).toString("base64url"), randomBytes(32).toString("base64url")];
      const until = addMicros(deps.clock.now(), lifeMicros);
      sessions.set(id, { credential, token, name: call.actor.id, until });
      return { call, token, cookie: setCookie(request, id, lifeMicros / 1_000_000) };
    },
    tokenOf: (request) => find(request)?.token,
    nameOf: (request) => find(request)?.name,
    credentialOf: (request) => {
      const session = find(request);
      return session && (request.method === "GET" || isSameOrigin(request)) ? session.credential : undefined;
    },
    close: (request) => {
      sessions.delete(cookieOf(request) ?? "");
      return setCookie(request, "", 0);
    },
  };
}

async function authenticate(
  { authenticator, authorizer, onDenied }: SessionDeps,
  request: FastifyRequest,
  credential: string,
): Promise<CallContext | undefined> {
  const requestId = parseId("request", request.id);
  if (requestId === undefined) return undefined;
  const answer =
    credential === "" || credential.length > mostCredentialBytes
      ? ({ kind: "refused", reason: "no_credential" } as const)
      : await authenticator.authenticate(credential);
  const action = "reviews:read";
  if (answer.kind === "refused") {
    const { reason } = answer;
    await onDenied({ kind: "unauthenticated", reason, requestId, action, source: request.ip });
    return undefined;
  }
  const call: CallContext = { actor: answer.actor, requestId };
  if (await authorizer.couldEver(call, action)) return call;
  const { id: principalId, organisationId } = call.actor;
  const reason = "no role allows it anywhere";
  await onDenied({ kind: "forbidden", reason, requestId, action, principalId, organisationId });
  throw new PortolanError("identity.forbidden", {
    detail: `${action} is not granted`,
    mend: "Ask an administrator for the role reviewer.",
  });
}

/** The oldest go first where there are too many. */
function forgetOld(sessions: Map<string, Session>, now: number): void {
  for (const [id, { until }] of sessions)
    if (until <= now || sessions.size >= mostSessions) sessions.delete(id);
}

function isPage({ routeOptions }: FastifyRequest): boolean {
  const { url = "" } = routeOptions;
  return url === cookiePath || url.startsWith(`${cookiePath}/`);
}

/** Browsers say where a form comes from; what does not say so is not taken for one of ours. */
function isSameOrigin(request: FastifyRequest): boolean {
  return request.headers.origin !== undefined && !mayBeForeign(request);
}

function mayBeForeign({ headers }: FastifyRequest): boolean {
  const { origin, host, "sec-fetch-site": site } = headers;
  if (site !== undefined && site !== "same-origin") return true;
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
}

function cookieOf({ headers }: FastifyRequest): string | undefined {
  for (const part of (headers.cookie ?? "").split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if (name === cookieName) return value;
  }
  return undefined;
}

function setCookie({ protocol }: FastifyRequest, value: string, seconds: number): string {
  const secure = protocol === "https" ? "; Secure" : "";
  return `${cookieName}=${value}; Path=${cookiePath}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
}
