import { type Static, Type } from "@portolan/typebox";

// MLflow's messages as JSON (mlflow/protos/model_registry.proto). Members that we do not know are passed over, as protobuf does.

const Text = Type.String({ maxLength: 5_000 });
const name = { name: Type.String({ minLength: 1, maxLength: 1_000 }) };
/** MLflow's versions are texts. */
const version = {
  version: Type.Union([Type.String({ pattern: "^[0-9]{1,9}$" }), Type.Integer({ minimum: 1 })]),
};
const key = { key: Type.String({ minLength: 1, maxLength: 250 }) };
const alias = { alias: Type.String({ minLength: 1, maxLength: 255 }) };
const Tags = Type.Optional(Type.Array(Type.Object({ ...key, value: Text }), { maxItems: 200 }));
const List = Type.Optional(Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 20 })]));

export const CreateModel = Type.Object({ ...name, tags: Tags, description: Type.Optional(Text) });
export const UpdateModel = Type.Object({ ...name, description: Type.Optional(Text) });
export const ModelQuery = Type.Object(name);
export const ModelTag = Type.Object({ ...name, ...key, value: Text });
export const ModelTagKey = Type.Object({ ...name, ...key });
export const LatestVersions = Type.Object({
  ...name,
  stages: Type.Optional(Type.Array(Type.String(), { maxItems: 20 })),
});
export const LatestVersionsQuery = Type.Object({ ...name, stages: List });
export const Search = Type.Object({
  filter: Type.Optional(Type.String({ maxLength: 10_000 })),
  max_results: Type.Optional(Type.Integer({ minimum: 1, maximum: 200_000 })),
  order_by: List,
  page_token: Type.Optional(Type.String({ maxLength: 500 })),
});
export const CreateVersion = Type.Object({
  ...name,
  source: Type.String({ minLength: 1, maxLength: 2_000 }),
  run_id: Type.Optional(Type.String({ maxLength: 256 })),
  model_id: Type.Optional(Type.String({ maxLength: 256 })),
  description: Type.Optional(Text),
  tags: Tags,
});
export const VersionQuery = Type.Object({ ...name, ...version });
export const UpdateVersion = Type.Object({ ...name, ...version, description: Type.Optional(Text) });
export const VersionTag = Type.Object({ ...name, ...version, ...key, value: Text });
export const VersionTagKey = Type.Object({ ...name, ...version, ...key });
export const Transition = Type.Object({
  ...name,
  ...version,
  stage: Type.String({ maxLength: 100 }),
  archive_existing_versions: Type.Optional(Type.Boolean()),
});
export const SetAlias = Type.Object({ ...name, ...alias, ...version });
export const AliasName = Type.Object({ ...name, ...alias });

/** Members of a list in a query: one that comes once is no list there. */
export function listOf(given: string | string[] | undefined): string[] {
  return typeof given === "string" ? [given] : (given ?? []);
}

export function versionOf({ name: model, version: number }: Static<typeof VersionQuery>) {
  return { model, version: Number(number) };
}
