import type { ErrorSpec } from "@portolan/kernel";

export const registryErrors = {
  "registry.model_not_found": { status: 404, title: "Registered model not found" },
  "registry.model_exists": { status: 409, title: "The name of the model is taken" },
  "registry.not_registrable": { status: 400, title: "It cannot be registered so" },
  "registry.prompt_unusable": { status: 400, title: "The prompt cannot be used" },
  "registry.alias_not_found": { status: 400, title: "No version has the alias" },
  "registry.version_not_found": { status: 404, title: "Model version not found" },
  "registry.artifact_not_found": { status: 404, title: "Artifact not found" },
  "registry.lineage_unproved": { status: 422, title: "Lineage is not proved" },
  "registry.charter_missing": { status: 409, title: "No signed charter covers this use case" },
  "registry.promotion_blocked": { status: 409, title: "Release gates are not passed" },
  "registry.not_measurable": { status: 422, title: "The version cannot be measured" },
  "registry.model_owned_elsewhere": { status: 409, title: "Model name belongs to another use case" },
} as const satisfies Record<string, ErrorSpec>;

export type RegistryErrorCode = keyof typeof registryErrors;
