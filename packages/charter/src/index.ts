export * from "./contract.ts";
export { type CharterErrorCode, charterErrors } from "./errors.ts";
export { charterJsonSchema, charterSchemaPath } from "./json-schema.ts";
export * from "./policy.ts";
export { parseTemplateName, readTemplate, type TemplateName, templateNames } from "./templates.ts";
