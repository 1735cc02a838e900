/** Why a call is not served on purpose, and the code that MLflow's clients read. */
interface Refusal {
  /** What follows `/mlflow/`. */
  readonly calls: RegExp;
  readonly why: string;
  /** Absent: `ENDPOINT_NOT_FOUND`, on which clients fall back on older calls. */
  readonly denied?: true;
}

/** Calls that are not served on purpose. The others that are unknown are just not served yet. */
const refusedOnPurpose: readonly Refusal[] = [
  {
    calls: /^experiments\/(create|delete|restore|update)$/,
    why: 'An experiment is a use case in an environment, whose rights and rules its runs are under: it is made with the use case, and there as <use case>/<environment>, for example mlflow.set_experiment("flight-delays/dev"). experiments/search lists yours.',
    denied: true,
  },
  {
    calls: /^(registered-models\/(rename|delete)|model-versions\/delete)$/,
    why: "A version is signed evidence of what may be served, under the name that it was signed for: it stays. Leave it unpromoted, or promote another.",
    denied: true,
  },
  {
    calls: /^transition-requests\//,
    why: "Nothing is approved through MLflow's API: gates decide over promotions, and a release is approved in Portolan by somebody else than whoever asked for it.",
    denied: true,
  },
  {
    calls: /^workspaces(\/|$)/,
    why: "Tenancy is the organisation of the caller's credential: leave the workspace out.",
  },
  {
    calls: /^gateway\//,
    why: "Models are served by Portolan's gateway, under releases: use the endpoints of control's own API.",
  },
  {
    calls: /^(traces|unified-traces|get-online-trace-details)(\/|$)/,
    why: "Traces are not kept here: what a served model answered is in the prediction records, and spans go to your own collector by OpenTelemetry.",
  },
];

/**
 * What a client is told of a call that has no route: which one, and why or where to look. Pure.
 *
 * @param path of the request, without its query
 */
export function unservedAnswer(
  method: string,
  path: string,
): { readonly status: 403 | 404; readonly errorCode: string; readonly message: string } {
  const call = /^\/api\/\d\.0\/mlflow\/(.*)$/.exec(path)?.[1] ?? "";
  const refusal = refusedOnPurpose.find(({ calls }) => calls.test(call));
  const mend = refusal?.why ?? "The page docs/mlflow.md lists the calls that are.";
  return {
    status: refusal?.denied ? 403 : 404,
    errorCode: refusal?.denied ? "PERMISSION_DENIED" : "ENDPOINT_NOT_FOUND",
    message: `${method} ${path} is not among MLflow's calls that are served here. ${mend}`,
  };
}
