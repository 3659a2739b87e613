export {
  type Level,
  type LevelFilter,
  type Levels,
  type Severity,
  createLevelFilter,
  formatLevels,
  parseLevels,
  severities,
} from "./levels.ts";
export { type Bare, type FieldValue, type Fields, type LogEvent, type Span, bare } from "./log-event.ts";
export { type LazyFields, type Logger, type Logging, type LoggingOptions, createLogging } from "./logging.ts";
export { formatJsonLine, formatTextLine, formatTimestamp } from "./log-formats.ts";
export { type Counter, type Family, type Gauge, type Histogram, type Series } from "./metrics.ts";
export { type Labelled, type MetricOptions, type Registry, createRegistry } from "./registry.ts";
export { mergeFamilies, metricsContentType, renderOpenMetrics } from "./open-metrics.ts";
