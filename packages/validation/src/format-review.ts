import { type FieldProblem, formatPath } from "@lateen/resources";

/** `spec.hosts[0]: must not be empty`, one for each problem. */
export const formatReview = (problems: readonly FieldProblem[]): readonly string[] =>
  problems.map(({ path, message }) => (path.length === 0 ? message : `${formatPath(path)}: ${message}`));
