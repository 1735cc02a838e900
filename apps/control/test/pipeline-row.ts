/** Inserts a pipeline `arrivals-weekly` in production and a run of it that nobody has looked at. */
export function pipelineRows(
  id: string,
  organisation: string,
  useCase: string,
  at: number,
): readonly [text: string, values: unknown[]][] {
  const definition = {
    environment: "production",
    useCaseId: useCase,
    model: "arrivals",
    stages: [{ kind: "register" }],
  };
  const digest = `sha256:${"ab".repeat(32)}`;
  const standing = {
    kind: "register",
    state: "waiting",
    tries: 0,
    startedAt: null,
    endedAt: null,
    note: "",
    reusedFrom: null,
  };
  return [
    [
      `insert into pipelines.definitions (organisation_id, environment, name, version, use_case_id, digest, definition, published_by,
         published_at, call)
       values ($1, 'production', 'arrivals-weekly', 1, $2, $3, $4, 'x', $5, '{}')`,
      [organisation, useCase, digest, JSON.stringify(definition), at],
    ],
    [
      `insert into pipelines.runs (id, organisation_id, environment, use_case_id, pipeline, version, digest, model, stages, parameters, cause,
         priority, call, state, at, standings, made, keys, faults, revision, requested_by, started_at)
       values ($1, $2, 'production', $3, 'arrivals-weekly', 1, $4, 'arrivals', '[{"kind":"register"}]', '{}', 'manual', 0, '{}', 'running', 0,
         $5, '{}', '{}', 0, 0, 'x', $6)`,
      [id, organisation, useCase, digest, JSON.stringify([standing]), at],
    ],
  ];
}
