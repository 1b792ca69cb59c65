/** The operators that only give the same elements another shape: input 0 are the elements, the rest tells the shape. */
import type {Shape} from "../ir/dims.ts";
import type {Node} from "../ir/graph.ts";

const reshapeOperators: ReadonlySet<string> = new Set(["tf.Reshape", "tf.Squeeze", "tf.ExpandDims"]);

export const isReshape = (node: Node | undefined): node is Node => node !== undefined && reshapeOperators.has(node.op);

export const targetOf = (node: Node): Shape | undefined => node.outputs[0]!.shape;
