import { promisify } from "node:util";
import { deflate, gzip } from "node:zlib";
import type { Answer } from "./answers.ts";

const encoders = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;

/** Below this, packing costs more time than the bytes it saves are worth on any network in use. */
const leastBytes = 4096;

/**
 * Packs a long answer when the client asked for it. The first of `gzip` and `deflate` that is named without `q=0`
 * is taken; `*` and other names are not.
 */
export async function compressAnswer(
  answer: Answer,
  acceptEncoding: string | string[] | undefined,
): Promise<Answer> {
  if (acceptEncoding === undefined || answer.status !== 200 || answer.body.length < leastBytes) return answer;
  const encoding = chosen(String(acceptEncoding));
  if (!encoding) return answer;
  return {
    ...answer,
    body: await encoders[encoding](answer.body),
    headers: { ...answer.headers, "content-encoding": encoding, vary: "accept-encoding" },
  };
}

function chosen(accept: string): "gzip" | "deflate" | undefined {
  for (const part of accept.slice(0, 200).split(",")) {
    const [name, ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    if (parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) continue;
    if (name === "gzip" || name === "deflate") return name;
  }
  return undefined;
}
