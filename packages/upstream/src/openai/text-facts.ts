import { Compile, Type } from "@portolan/typebox";
import { askJson } from "../ask-json.ts";
import type { Connection } from "../connection.ts";

/** `max_model_len` is vLLM's: most tokens of prompt and answer together. */
const Models = Compile(
  Type.Object({
    data: Type.Array(
      Type.Object({
        id: Type.String(),
        max_model_len: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()])),
      }),
      { maxItems: 10_000 },
    ),
  }),
);

export interface TextFacts {
  readonly contextTokens?: number;
}

/**
 * What the server says of the model in its list of models; `undefined` when it is not there.
 * Rejects when the server does not answer, or with no such list.
 */
export async function findTextModel(
  connection: Connection,
  model: string,
  timeoutMs: number,
): Promise<TextFacts | undefined> {
  const { status, body } = await askJson(connection, "/v1/models", timeoutMs);
  if (status !== 200 || !Models.Check(body)) throw new Error(`/v1/models answered ${status}`);
  const found = body.data.find(({ id }) => id === model);
  if (!found) return undefined;
  const { max_model_len: contextTokens } = found;
  return typeof contextTokens === "number" ? { contextTokens } : {};
}
