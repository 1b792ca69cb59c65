/** Variables and hash tables: what they hold is only known by what the file declares. */
import {each, type Node, type Shape, type ShapeRules, Unknown} from "./rule.ts";

export const stateShapes: ShapeRules = {
  ...each("VAR_HANDLE HASHTABLE READ_VARIABLE", (node) => [declared(node)]),
  ...each("ASSIGN_VARIABLE HASHTABLE_IMPORT", () => []),
  HASHTABLE_FIND: (node) => [node.shape(1)],
  HASHTABLE_SIZE: () => [[1]],
};

function declared(node: Node): Shape {
  const shape = node.declaredOutput(0);
  if (shape.includes(-1)) throw new Unknown(`${node.builtin} gives whatever was assigned, declared as [${shape}]`);
  return shape;
}
