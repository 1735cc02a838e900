export { placeOf, readYaml, type SourceLines, type YamlKind, type YamlReading } from "./read-yaml.ts";
export { type YamlNode, YamlSource } from "./yaml-source.ts";
