import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { CharterDeps } from "../deps.ts";
import { signingRoles } from "../document.ts";
import { signCharter } from "../sign-charter.ts";
import { charterStatuses } from "../views.ts";
import { withdrawCharter } from "../withdraw-charter.ts";

const tags = ["charter"];
const ById = Type.Object({ id: Type.String({ maxLength: 40 }) });
const Role = Type.Enum([...signingRoles]);

const Signature = Type.Object(
  {
    role: Role,
    keyId: Type.String({ maxLength: 40, description: "sgk_… of your registered charter key" }),
    signature: Type.String({ maxLength: 100, description: "Ed25519 over the signing bytes, base64" }),
  },
  { additionalProperties: false },
);

const Signed = Type.Object({
  status: Type.Enum([...charterStatuses]),
  signatureId: Type.String(),
  missingRoles: Type.Array(Role),
});

const Withdrawal = Type.Object(
  { reason: Type.String({ minLength: 3, maxLength: 500, description: "Kept in the ledger" }) },
  { additionalProperties: false },
);

/** Signing and withdrawing charters. */
export function signatureRoutes(app: FastifyInstance, deps: CharterDeps): void {
  app.post<{ Params: Static<typeof ById>; Body: Static<typeof Signature> }>(
    "/v1/charters/:id/signatures",
    {
      config: routeConfig("charter:sign", "governed"),
      schema: {
        summary: "Sign a charter version in a role",
        tags,
        params: ById,
        body: Signature,
        response: { 201: Signed },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await signCharter(deps, request.call, request.params.id, request.body)),
  );
  app.post<{ Params: Static<typeof ById>; Body: Static<typeof Withdrawal> }>(
    "/v1/charters/:id/withdrawal",
    {
      config: routeConfig("charter:sign", "governed"),
      schema: {
        summary: "Withdraw a draft or the version in force",
        tags,
        params: ById,
        body: Withdrawal,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await withdrawCharter(deps, request.call, request.params.id, request.body.reason);
      return reply.code(204).send();
    },
  );
}
