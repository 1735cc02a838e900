/** What children may see of our environment: what any program needs, where we are, and how packages are installed. */
const inherited =
  /^(PATH|HOME|LANG|TZ|TMPDIR|NODE_COMPILE_CACHE|LOG_LEVEL|(LOCATION|EXPORT)_(REGION|OWNER)|UPSTREAM_[A-Z_]+|SOURCE_FOLDERS|PIP_[A-Z_]+|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i;
/** What a gateway may see besides: how it counts limits and drift, whose certificates it takes, and how its memory is kept. */
const inheritedByGateway = /^(LIMITS|FEATURES|SPIFFE|DRIFT|MALLOC)_[A-Z_]+$/;
/** What control may see besides: where data comes from, when events become a batch, whom notices go to. */
const inheritedByControl =
  /^(DATA_CONNECTIONS|FEATURES_REDIS_(URL|CA_FILE)|EVENT_WINDOW_SECONDS|NOTICE_(ALLOWED_HOSTS|SECRET))$/;

/**
 * glibc's allocator, for a process that loads and lets go models all the time: few arenas, and what is free at an arena's end goes back. By default the
 * native part of a gateway's memory grew by 0.2 MiB with every version that it swapped in; with these it stays where it was.
 */
export const gatewayMemory = { MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "131072" } as const;

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
  const own: Record<string, string> = app === "gateway" ? { ...gatewayMemory } : {};
  const more = app === "gateway" ? inheritedByGateway : inheritedByControl;
  for (const [key, value] of Object.entries(ours)) {
    const isSeen = inherited.test(key) || more.test(key);
    if (value !== undefined && isSeen) own[key] = value;
  }
  return { ...own, ...settings };
}
