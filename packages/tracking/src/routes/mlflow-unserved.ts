/** Calls that are not served on purpose, by what follows `/mlflow/`, and why. The others that are unknown are just not served yet. */
const refusedOnPurpose: readonly (readonly [RegExp, string])[] = [
  [
    /^experiments\/(create|delete|restore|update)$/,
    "An experiment is a use case in an environment: make the use case, and read it as <use case>/<environment>.",
  ],
  [/^workspaces(\/|$)/, "Tenancy is the organisation of the caller's credential: leave the workspace out."],
  [
    /^gateway\//,
    "Models are served by Portolan's gateway, under releases: use the endpoints of control's own API.",
  ],
];

/**
 * What a client is told of a call that has no route: which one, and why or where to look. Pure.
 *
 * @param path of the request, without its query
 */
export function unservedMessage(method: string, path: string): string {
  const call = /^\/api\/\d\.0\/mlflow\/(.*)$/.exec(path)?.[1] ?? "";
  const why = refusedOnPurpose.find(([calls]) => calls.test(call))?.[1];
  const mend = why ?? "The page docs/mlflow.md lists the calls that are.";
  return `${method} ${path} is not among MLflow's calls that are served here. ${mend}`;
}
