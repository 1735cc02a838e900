/** Path of a model version in control's API. */
export function versionPath(name: string, version: string): string {
  return `/v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;
}
