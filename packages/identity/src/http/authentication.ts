import type {} from "@portolan/http-contract";
import { type CallContext, type Clock, newId, PortolanError, parseId } from "@portolan/kernel";
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import { parseAction } from "../actions.ts";
import type { Authenticator } from "../authenticator.ts";
import { forbidden, type IdentityAuthorizer } from "../authorizer.ts";
import { bearerCredential } from "../bearer-credential.ts";
import { deniedCaller } from "../denied-caller.ts";
import type { OnDenied } from "../ports.ts";

export interface AuthenticationDeps {
  readonly authenticator: Authenticator;
  readonly authorizer: IdentityAuthorizer;
  readonly clock: Clock;
  readonly onDenied: OnDenied;
  /** The credential of a request that brings none itself: of a browser's session. */
  readonly credentialOf?: (request: FastifyRequest) => string | undefined;
}

/**
 * Guards every route registered after it: refuses, at start-up, a route that does not declare its action and ledger
 * class; at each request finds the caller, sets `request.call`, and refuses actions that the caller can do nowhere.
 * Answers are problems made by the server's error handler.
 */
export function registerAuthentication(app: FastifyInstance, deps: AuthenticationDeps): void {
  app.addHook("onRoute", checkDeclaration);
  app.addHook("onRequest", (request, reply) => authenticateRequest(deps, request, reply));
}

function checkDeclaration(route: RouteOptions): void {
  const { action, ledger } = route.config ?? {};
  const where = `${String(route.method)} ${route.url}`;
  if (action === undefined || ledger === undefined) {
    throw new PortolanError("identity.bad_route", {
      detail: `${where} declares no action or no ledger class`,
      mend: 'Give it config: routeConfig("<domain>:<verb>", "governed" | "recorded" | "read") or publicRoute.',
    });
  }
  if (action === "public") return;
  if (parseAction(action) === undefined) {
    throw new PortolanError("identity.bad_route", {
      detail: `${where} declares ${action}, which is not an action`,
      mend: "Add it to the table in packages/identity/src/actions.ts.",
    });
  }
}

async function authenticateRequest(
  deps: AuthenticationDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const action = request.routeOptions.config.action;
  const requestId = requestIdOf(deps.clock, request);
  // Problems carry it as `instance`.
  request.id = requestId;
  void reply.header("x-request-id", requestId);
  // Without a route there is no action; the not-found handler answers, the same to everybody.
  if (action === undefined || action === "public") return;
  const credential = bearerCredential(request.headers.authorization) ?? deps.credentialOf?.(request);
  const answer =
    credential === undefined
      ? ({ kind: "refused", reason: "no_credential" } as const)
      : await deps.authenticator.authenticate(credential);
  if (answer.kind === "refused") {
    void reply.header("www-authenticate", 'Bearer realm="portolan"');
    await deps.onDenied({
      kind: "unauthenticated",
      reason: answer.reason,
      requestId,
      action,
      source: request.ip,
    });
    throw new PortolanError("identity.unauthenticated", {
      detail: "the request carries no credential that is accepted here",
      mend: "Send `Authorization: Bearer` with a token or an API key; `portolan login` gets one.",
    });
  }
  const call: CallContext = { actor: answer.actor, requestId, ...declarations(request) };
  await refuseForeignPrincipal(deps, call);
  if (!(await deps.authorizer.couldEver(call, action))) {
    await deps.onDenied({
      kind: "forbidden",
      reason: "no role allows it anywhere",
      requestId,
      action,
      ...deniedCaller(call),
    });
    throw forbidden(action);
  }
  request.call = call;
}

/** Only service accounts with the right may name somebody else as the one they act for. */
async function refuseForeignPrincipal(deps: AuthenticationDeps, call: CallContext): Promise<void> {
  if (call.onBehalfOf === undefined) return;
  const allowed =
    call.actor.kind === "service_account" && (await deps.authorizer.couldEver(call, "identity:act_for"));
  if (allowed) return;
  await deps.onDenied({
    kind: "forbidden",
    reason: "may not act for others",
    requestId: call.requestId,
    action: "identity:act_for",
    ...deniedCaller(call),
  });
  throw forbidden("identity:act_for");
}

/** A caller's id is taken over when it is one of ours in form, so that it can be found in logs and ledger. */
function requestIdOf(clock: Clock, request: FastifyRequest): CallContext["requestId"] {
  const given = request.headers["x-request-id"];
  const own = typeof given === "string" ? parseId("request", given) : undefined;
  return own ?? parseId("request", request.id) ?? newId("request", clock.now());
}

const declarationForm = /^[\x20-\x7e]{1,200}$/;

function declarations(request: FastifyRequest): Pick<CallContext, "purpose" | "onBehalfOf"> {
  const read = (name: string): string | undefined => {
    const value = request.headers[name];
    if (value === undefined) return undefined;
    // Node joins what is sent twice to "a, b", which reads like one name.
    const { rawHeaders } = request.raw;
    if (rawHeaders.filter((said, at) => at % 2 === 0 && said.toLowerCase() === name).length > 1)
      throw new PortolanError("kernel.bad_request", {
        detail: `header ${name} is sent more than once`,
        mend: "Send it once, or not at all.",
      });
    if (typeof value === "string" && declarationForm.test(value)) return value;
    throw new PortolanError("kernel.bad_request", { detail: `header ${name} is not a short line of ASCII` });
  };
  const purpose = read("x-portolan-purpose");
  const onBehalfOf = read("x-portolan-on-behalf-of");
  return {
    ...(purpose === undefined ? {} : { purpose }),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
  };
}
