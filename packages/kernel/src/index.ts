export * from "./actor.ts";
export * from "./artifacts.ts";
export * from "./authorizer.ts";
export * from "./canonical-json.ts";
export * from "./config.ts";
export * from "./digest.ts";
export * from "./environments-allowing.ts";
export * from "./errors.ts";
export * from "./ids.ts";
export * from "./jobs.ts";
export * from "./json.ts";
export * from "./logging.ts";
export * from "./migrations.ts";
export * from "./money.ts";
export * from "./object-store.ts";
<<<<<<< HEAD
export * from "./place.ts";
=======
export * from "./places.ts";
>>>>>>> fd29cfa (kernel: places and the artifact catalogue; identity: teams and use cases for all domains; jobs are seen where their work is)
export * from "./secret.ts";
export * from "./signing.ts";
export * from "./time.ts";
export * from "./unit-of-work.ts";
export * from "./units.ts";
