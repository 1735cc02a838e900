import { type Static, Type } from "@portolan/typebox";

/** Bytes of the bodies of a request and of its answer, as the protocol has them before anything packs them; no word of what is in them. */
export const BodyBytes = Type.Object({
  in: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "The request's body" }),
  out: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "The answer's" }),
  outside: Type.Optional(
    Type.Boolean({ description: "The caller is outside the gateway's networks: the answer is egress" }),
  ),
});
export type BodyBytes = Static<typeof BodyBytes>;
