import { gatewayProcess } from "@portolan/serving/contract";

/** What children may see of our environment: what any program needs, where we are, and how packages are installed. */
const inherited =
  /^(PATH|HOME|LANG|TZ|TMPDIR|NODE_COMPILE_CACHE|LOG_LEVEL|(LOCATION|EXPORT)_(REGION|OWNER)|UPSTREAM_[A-Z_]+|SOURCE_FOLDERS|PIP_[A-Z_]+|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i;
/** What a gateway may see besides: how it counts limits and drift, whose certificates it takes, who is inside, where it tells what it does, and how its memory is kept. */
const inheritedByGateway =
  /^((LIMITS|FEATURES|SPIFFE|DRIFT|TRACES|MODELS|MALLOC)_[A-Z_]+|ACCESS_LOG|INSIDE_NETWORKS|LOG_BUDGET|RUNNER_MEMORY|WORKER_THREADS)$/;
/** What control may see besides: where data comes from, what things cost, when events become a batch, whom notices go to. */
const inheritedByControl =
  /^(ALERT_DESTINATIONS|DATA_CONNECTIONS|PRICES_FILE|FEATURES_REDIS_(URL|CA_FILE)|EVENT_WINDOW_SECONDS|NOTICE_(ALLOWED_HOSTS|SECRET))$/;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment of a child: the settings it knows and what a Unix program needs, nothing else of ours.
 * @param settings win over what is inherited
 */
export function childEnvironment(
  ours: Environment,
  app: "control" | "gateway",
  settings: Readonly<Record<string, string>>,
): Record<string, string> {
  const own: Record<string, string> = app === "gateway" ? { ...gatewayProcess.environment } : {};
  const more = app === "gateway" ? inheritedByGateway : inheritedByControl;
  for (const [key, value] of Object.entries(ours)) {
    const isSeen = inherited.test(key) || more.test(key);
    if (value !== undefined && isSeen) own[key] = value;
  }
  return { ...own, ...settings };
}
