export { quoteName, quoteText, toDuckDbSql } from "./duckdb-sql.ts";
export { type ExpressionErrorCode, expressionErrors } from "./errors.ts";
export { evaluate, type Row, type Value } from "./evaluate.ts";
export {
  type ColumnTypes,
  columnsOf,
  type Expression,
  expressionDigest,
  type Operation,
  operations,
  type ValueType,
} from "./ir.ts";
export { maxExpressionLength } from "./lexer.ts";
export { parseExpression } from "./parse.ts";
export { expressionText } from "./text.ts";
export { typedCall } from "./typing.ts";
