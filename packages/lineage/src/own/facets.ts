import type { Transformation } from "../openlineage/column-lineage.ts";
import type { NodeName } from "../store/nodes.ts";

export const producer = "urn:portolan";
type Facet = Readonly<Record<string, unknown>>;
export type Facets = Readonly<Record<string, Facet>>;

function facet(name: string, version: string, body: Facet): Facet {
  const _schemaURL = `https://openlineage.io/spec/facets/${version}/${name}.json#/$defs/${name}`;
  return { _producer: producer, _schemaURL, ...body };
}

/** A column and its type in Portolan's words. */
export interface Field {
  readonly name: string;
  readonly type: string;
  readonly description?: string;
}

export function schema(fields: readonly Field[]): Facets {
  const numbered = fields.map((field, index) => ({ ...field, ordinal_position: index + 1 }));
  return { schema: facet("SchemaDatasetFacet", "1-2-0", { fields: numbered }) };
}

export function datasetType(type: string, subType?: string): Facets {
  const body = { datasetType: type, ...(subType === undefined ? {} : { subType }) };
  return { datasetType: facet("DatasetTypeDatasetFacet", "1-0-1", body) };
}

export function version(datasetVersion: string): Facets {
  return { version: facet("DatasetVersionDatasetFacet", "1-0-1", { datasetVersion }) };
}

export function dataSource(name: string, uri: string): Facets {
  return { dataSource: facet("DatasourceDatasetFacet", "1-0-1", { name, uri }) };
}

export function documentation(description: string): Facets {
  return { documentation: facet("DocumentationDatasetFacet", "1-1-0", { description }) };
}

export interface Owner {
  /** A URN-like identifier, e.g. `user:lee`. */
  readonly name: string;
  readonly type?: string;
}

export function ownership(owners: readonly Owner[]): Facets {
  return owners.length === 0 ? {} : { ownership: facet("OwnershipDatasetFacet", "1-0-1", { owners }) };
}

export interface Quality {
  readonly rowCount: number;
  readonly bytes?: number;
  readonly nulls: Readonly<Record<string, number>>;
}

export function qualityMetrics({ rowCount, bytes, nulls }: Quality): Facets {
  const columnMetrics = Object.fromEntries(
    Object.entries(nulls).map(([column, nullCount]) => [column, { nullCount, count: rowCount }]),
  );
  const body = { rowCount, ...(bytes === undefined ? {} : { bytes }), columnMetrics };
  return { dataQualityMetrics: facet("DataQualityMetricsDatasetFacet", "1-0-1", body) };
}

export interface Assertion {
  readonly assertion: string;
  readonly success: boolean;
  readonly column?: string;
  readonly severity: "error" | "warn";
  readonly name: string;
  readonly expected?: string;
  readonly actual?: string;
}

export function qualityAssertions(assertions: readonly Assertion[]): Facets {
  if (assertions.length === 0) return {};
  return { dataQualityAssertions: facet("DataQualityAssertionsDatasetFacet", "1-1-0", { assertions }) };
}

export function outputStatistics(rowCount: number, size?: number): Facets {
  const body = { rowCount, ...(size === undefined ? {} : { size }) };
  return { outputStatistics: facet("OutputStatisticsOutputDatasetFacet", "1-0-2", body) };
}

/** A job of ours; its type in words such as `INGESTION`. */
export function jobType(type: string): Facets {
  const body = {
    processingType: "BATCH",
    integration: "PORTOLAN",
    jobType: type,
    emissionPattern: { eventTrigger: "EVENT_BASED", eventContentMode: "ACCUMULATIVE" },
  };
  return { jobType: facet("JobTypeJobFacet", "2-0-4", body) };
}

export function errorMessage(message: string): Facets {
  return { errorMessage: facet("ErrorMessageRunFacet", "1-0-1", { message, programmingLanguage: "none" }) };
}

/** A column that another, or the whole dataset, depends on. */
export interface InputField {
  readonly of: NodeName;
  readonly field: string;
  readonly transformations: readonly Transformation[];
}

export type Columns = Readonly<Record<string, readonly InputField[]>>;

/** @param whole what each row of the dataset depends on, whatever the column */
export function columnLineage(columns: Columns, whole: readonly InputField[] = []): Facets {
  const inputFieldOf = ({ of, field, transformations }: InputField) => ({
    namespace: of.namespace,
    name: of.name,
    field,
    transformations: transformations.map((one) => ({ description: "", masking: false, ...one })),
  });
  const fields = Object.fromEntries(
    Object.entries(columns)
      .filter(([, inputs]) => inputs.length > 0)
      .map(([column, inputs]) => [column, { inputFields: inputs.map(inputFieldOf) }]),
  );
  const body = { fields, ...(whole.length === 0 ? {} : { dataset: whole.map(inputFieldOf) }) };
  return { columnLineage: facet("ColumnLineageDatasetFacet", "1-2-0", body) };
}
