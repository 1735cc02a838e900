const installVariables =
  /^(PATH|HOME|LANG|TMPDIR|PIP_[A-Z_]+|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i;

/** Picks the variables that concern package installation. Pure. */
export function installEnvironmentOf(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && installVariables.test(name)) picked[name] = value;
  return picked;
}
