/** What a request to the gateway asks for, by method and path alone. */
export type Operation =
  | { readonly kind: "server_live" | "server_ready" | "server_metadata" | "healthz" | "readyz" | "metrics" }
  | {
      readonly kind: "model_ready" | "model_metadata" | "infer";
      readonly model: string;
      readonly version?: string;
    }
  | { readonly kind: "unknown" }
  | { readonly kind: "wrong_method"; readonly allow: string };

const fixed: Readonly<Record<string, Operation>> = {
  "/v2": { kind: "server_metadata" },
  "/v2/": { kind: "server_metadata" },
  "/v2/health/live": { kind: "server_live" },
  "/v2/health/ready": { kind: "server_ready" },
  "/healthz": { kind: "healthz" },
  "/readyz": { kind: "readyz" },
  "/metrics": { kind: "metrics" },
};

const modelPath = /^\/v2\/models\/([^/]{1,200})(?:\/versions\/([^/]{1,64}))?(?:\/(ready|infer))?$/;

/** Routes by method and URL; the query string is ignored, as clients add to it freely. */
export function readPath(method: string, url: string): Operation {
  const query = url.indexOf("?");
  const path = query === -1 ? url : url.slice(0, query);
  const found = Object.hasOwn(fixed, path) ? fixed[path] : modelOperation(path);
  if (!found || found.kind === "unknown") return { kind: "unknown" };
  const allow = found.kind === "infer" ? "POST" : "GET";
  if (method === allow || (method === "HEAD" && allow === "GET")) return found;
  return { kind: "wrong_method", allow };
}

function modelOperation(path: string): Operation {
  const match = modelPath.exec(path);
  const model = decode(match?.[1]);
  const version = decode(match?.[2]);
  if (model === undefined) return { kind: "unknown" };
  const kind = match?.[3] === "ready" ? "model_ready" : match?.[3] === "infer" ? "infer" : "model_metadata";
  return { kind, model, ...(version === undefined ? {} : { version }) };
}

function decode(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
