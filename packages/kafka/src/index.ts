export { createTopicReader } from "./topic-reader.ts";
