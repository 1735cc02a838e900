import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { FastifyInstance } from "fastify";

/** Asks who the caller is, over a connection: what an injected request says twice is joined before it is sent. */
export async function askTwice(
  app: FastifyInstance,
  token: string,
  onBehalfOf: readonly string[],
): Promise<{ readonly status: number | undefined; readonly detail: unknown }> {
  const address = app.server.listening
    ? app.listeningOrigin
    : await app.listen({ host: "127.0.0.1", port: 0 });
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "x-portolan-on-behalf-of": [...onBehalfOf] };
    const asked = request(new URL("/v1/whoami", address), { headers, agent: false }, (answer) => {
      text(answer).then((body) => {
        const { detail } = JSON.parse(body) as { readonly detail?: unknown };
        resolve({ status: answer.statusCode, detail });
      }, reject);
    });
    asked.on("error", reject).end();
  });
}
