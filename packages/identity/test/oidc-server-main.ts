import { createServer } from "node:http";
import Provider from "oidc-provider";
import type { OidcServerSettings } from "./oidc-server.ts";

/** A real OpenID provider in a process of its own, which can be stopped and killed as one. */
process.once("message", ({ port, audience, clientId, secret, keys, tokenSeconds }: OidcServerSettings) => {
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: clientId,
        client_secret: secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: "ES256",
      },
    ],
    jwks: { keys },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: "predict",
          audience,
          accessTokenTTL: tokenSeconds,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  const answer = provider.callback();
  createServer((request, response) => void answer(request, response)).listen(port, "127.0.0.1", () =>
    process.send?.("listening"),
  );
});
