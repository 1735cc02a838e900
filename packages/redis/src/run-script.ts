import { createHash } from "node:crypto";
import { messageOf } from "@portolan/kernel";
import type { Connection } from "./connect.ts";

/** A Lua program that the server runs at once, and nothing else beside it. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

export type RunScript = (
  script: Script,
  keys: readonly string[],
  args: readonly string[],
) => Promise<unknown>;

/** Runs scripts by their digests, and sends a text once to a server that does not know it. Rejects with the client's errors. */
export function scriptRunner({ client }: Connection): RunScript {
  return async ({ text, sha }, keys, args) => {
    const options = { keys: [...keys], arguments: [...args] };
    try {
      return await client.evalSha(sha, options);
    } catch (error) {
      if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
      return client.eval(text, options);
    }
  };
}
