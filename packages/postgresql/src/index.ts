export { createRelationReader } from "./relation-reader.ts";
